"""What others may call.

`scores` (what a department comes to, its evidence, the ranking), `publications` (frozen results), `filings`, `appeals`.
"""
