"""Decisions of appraisal, without I/O: the same numbers always give the same points."""
