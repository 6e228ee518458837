"""Decisions of the registers: pure functions, without I/O."""
