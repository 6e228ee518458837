"""Pages of docs/reference that are made from the code, so that they cannot fall behind it."""

from pathlib import Path
from typing import Any

import msgspec
from msgspec import inspect

from cityloom.kernel import settings

HEAD = """# Settings

<!-- Made from src/cityloom/kernel/settings.py by `./loom check --fix`; edit the words there. -->

Every setting is one environment variable. Options of the command line, such as `--home` and `--port`, win over it.
A value of the wrong type, or out of range, stops the start with a message that names the setting.

| variable | type | default | meaning |
|---|---|---|---|
"""
TYPES = {inspect.StrType: "text", inspect.BoolType: "`true` or `false`", inspect.CustomType: "folder"}


def pages() -> dict[str, str]:
    """Path in the repository → text, for every page that is made from the code."""
    return {"docs/reference/settings.md": settings_page()}


def write(root: Path) -> list[str]:
    """Write the pages that differ from what the code says; their paths."""
    stale = [name for name, text in pages().items() if _read(root / name) != text]
    for name in stale:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(pages()[name], encoding="utf-8")
    return stale


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def settings_page() -> str:
    """docs/reference/settings.md: one row per field of `kernel.settings.Settings`."""
    described = inspect.type_info(settings.Settings)
    if not isinstance(described, inspect.StructType):
        raise TypeError("the settings are not a struct")
    return HEAD + "".join(_row(field) for field in described.fields)


def _row(field: inspect.Field) -> str:
    kind, meaning = field.type, ""
    if isinstance(kind, inspect.Metadata):
        meaning = str((kind.extra_json_schema or {}).get("description", ""))
        kind = kind.type
    variable = f"`{settings.PREFIX}{field.name.upper()}`"
    return f"| {variable} | {_type(kind)} | {_default(field)} | {meaning} |\n"


def _type(kind: inspect.Type) -> str:
    if isinstance(kind, inspect.IntType):
        low, high = kind.ge, kind.le
        if low is not None and high is not None:
            return f"whole number, {low} to {high}"
        return f"whole number, at least {low}" if low is not None else "whole number"
    return TYPES[type(kind)]


def _default(field: inspect.Field) -> str:
    value: Any = field.default
    if value is msgspec.NODEFAULT:
        return str(field.default_factory.__doc__).split(": ", 1)[-1].rstrip(".")
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value}`" if value != "" else "empty"
