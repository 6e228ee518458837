"""Grants: who may read what of another department's data, for which purpose, and every use that was made of it."""
