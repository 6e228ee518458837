"""Frames and conversations of field devices."""
