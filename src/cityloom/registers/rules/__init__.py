"""Decisions of the registers, without I/O."""
