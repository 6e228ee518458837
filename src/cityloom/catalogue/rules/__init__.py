"""Decisions of the catalogue; nothing here reads or writes."""
