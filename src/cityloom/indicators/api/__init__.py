"""What others may call: `population`."""
