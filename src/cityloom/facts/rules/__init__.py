"""Decisions of facts, without I/O."""
