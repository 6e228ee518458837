"""What others may call of maps."""
