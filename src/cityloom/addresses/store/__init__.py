"""SQL of the addresses."""
