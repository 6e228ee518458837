"""Indicators: figures that a pack's model computes over the city's datasets, kept with all that they were computed from."""
