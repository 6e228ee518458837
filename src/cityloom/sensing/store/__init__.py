"""All SQL of sensing."""
