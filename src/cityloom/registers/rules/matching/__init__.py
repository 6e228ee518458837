"""Which standard address a text means, how sure that is, and why."""
