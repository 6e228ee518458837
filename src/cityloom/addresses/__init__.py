"""The city's standard addresses: texts read and matched, and what became of each address and its division."""
