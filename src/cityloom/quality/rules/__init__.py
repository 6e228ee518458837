"""Decisions of quality: who may dispute what, when a ticket is corrected, what a measure counts."""
