"""Structured logs, one JSON object a line, in which identity numbers and telephone numbers cannot appear."""

import logging  # noqa: TID251 - the one place
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

PERSONAL = re.compile(r"(?<!\d)(\d{6}(?:19|20)\d{9}[\dXx]|\d{15}|1[3-9]\d{9})(?!\d)")


def configure(level: str = "info") -> None:
    """Write JSON lines to stderr from `level` on."""
    logging.basicConfig(
        stream=sys.stderr, level=logging.WARNING, format='{"event": "%(message)s", "logger": "%(name)s"}'
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            scrub,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def logger(name: str) -> structlog.typing.FilteringBoundLogger:
    """The logger of one part."""
    found: structlog.typing.FilteringBoundLogger = structlog.get_logger(part=name)
    return found


def scrub(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Blank out whatever looks like an identity number or a telephone number, in every value."""
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = PERSONAL.sub("[personal]", value)
    return event
