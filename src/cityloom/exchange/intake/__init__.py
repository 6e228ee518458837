"""The intake of the exchange: from the bytes a department sends to a DuckDB relation of text columns."""
