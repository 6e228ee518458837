"""The exchange's decisions: what a dataset declares, compiled to one DuckDB statement, and explained to the clerk."""
