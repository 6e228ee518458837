"""Names and literals in SQL text, for both PostgreSQL and DuckDB."""


def name(*parts: str) -> str:
    """A quoted, dotted identifier: name('lake', 'exchange') is "lake"."exchange"."""
    return ".".join('"' + part.replace('"', '""') + '"' for part in parts)


def literal(value: str) -> str:
    """A quoted text literal (standard_conforming_strings), for the few places that take no parameter."""
    return "'" + value.replace("'", "''") + "'"
