"""Structured logs, one JSON object a line, in which identity numbers and telephone numbers cannot appear."""

import logging  # noqa: TID251 - the one place
import re
import sys
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import structlog

from cityloom.kernel.clock import SystemClock
from cityloom.kernel.logfiles import DayFiles

PERSONAL = re.compile(r"(?<!\d)(\d{6}(?:19|20)\d{9}[\dXx]|\d{15}|1[3-9]\d{9})(?!\d)")
CONTROLS = re.compile("[\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
"""What JSON lets through and a terminal may act on; the controls below U+0020 are escaped by JSON itself."""
FILE_ONLY = "_file_only"


class Sink:
    """Where lines go: to stderr, and where there is a folder, to this process's file of the day."""

    def __init__(self, files: DayFiles | None) -> None:
        self.files = files

    def msg(self, line: str, file_only: bool = False) -> None:
        if not file_only:
            print(line, file=sys.stderr, flush=True)  # noqa: T201 - journald reads it
        if self.files is not None:
            self.files.write(line)

    debug = info = warning = error = critical = exception = msg


def configure(level: str = "info", folder: Path | None = None, process: str = "cityloom") -> None:
    """Write JSON lines to stderr from `level` on, and with a folder also to files of days named by the process."""
    logging.basicConfig(
        stream=sys.stderr, level=logging.WARNING, format='{"event": "%(message)s", "logger": "%(name)s"}'
    )
    sink = Sink(None if folder is None else DayFiles(folder, process, SystemClock()))
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            scrub,
            _render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=lambda *_: sink,
        cache_logger_on_first_use=True,
    )


def logger(name: str) -> structlog.typing.FilteringBoundLogger:
    """The logger of one part."""
    found: structlog.typing.FilteringBoundLogger = structlog.get_logger(part=name)
    return found


def access(**facts: str | int | float) -> None:
    """A line about one request, into the file alone, whatever the level; nothing where no logs are written."""
    if structlog.is_configured():
        structlog.get_logger().critical("access", **{FILE_ONLY: True}, **facts)


def scrub(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Blank out whatever looks like an identity number or a telephone number, in every value."""
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = PERSONAL.sub("[personal]", value)
    return event


_to_json = structlog.processors.JSONRenderer(ensure_ascii=False)


def _render(logger: object, method: str, event: MutableMapping[str, Any]) -> tuple[tuple[str], dict[str, bool]]:
    file_only = bool(event.pop(FILE_ONLY, False))
    if file_only:
        event["level"] = "info"  # it was said so loudly only to be heard at any level
    text = _to_json(logger, method, event)
    line = text if isinstance(text, str) else text.decode()
    return (CONTROLS.sub(_escape, line),), {"file_only": file_only}


def _escape(match: re.Match[str]) -> str:
    return f"\\u{ord(match.group()):04x}"
