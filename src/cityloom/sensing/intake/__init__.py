"""Frames of field devices to values and back: pure functions, nothing here reads a socket, a clock or a database."""
