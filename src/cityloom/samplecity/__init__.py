"""A made-up city that no resident lives in, delivered the way a real one would be."""
