"""What others may call of the addresses."""
