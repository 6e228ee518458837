"""All SQL of the registers."""
