"""Decisions of sensing, without I/O."""
