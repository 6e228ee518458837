"""What others may call of facts."""
