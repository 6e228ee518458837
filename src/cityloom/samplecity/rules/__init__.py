"""How the sample city is thought up: pure functions from a seed to rows, faults and the bytes of files."""
