"""What others may call of sensing."""
