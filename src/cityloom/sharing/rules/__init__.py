"""Decisions of sharing: what may be asked, offered and used."""
