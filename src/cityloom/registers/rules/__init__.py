"""Decisions of registers, without I/O."""
