"""Structured logs, one JSON object a line, in which identity numbers and telephone numbers cannot appear."""

import json
import logging  # noqa: TID251 - the one place
import re
import sys
import threading
from collections.abc import MutableMapping
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec
import structlog

from cityloom.kernel.clock import SystemClock
from cityloom.kernel.logfiles import DayFiles, stamp

UNSEEN = re.compile(r"[\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
"""Controls beyond those that JSON escapes: they move a terminal's cursor, end lines, or turn the text around."""
PERSONAL = re.compile(r"(?<!\d)(\d{6}(?:19|20)\d{9}[\dXx]|\d{15}|1[3-9]\d{9})(?!\d)")

STRANGE = ("account", "address", "forwarded", "organisation", "path")
"""What a line about a request has from outside."""

JSON = msgspec.json.Encoder(enc_hook=repr)


class Sink:
    """Where lines go: to stderr, and where there is a folder, to this process's file of the day."""

    def __init__(self, files: DayFiles | None) -> None:
        self.files = files

    def msg(self, line: str) -> None:
        print(line, file=sys.stderr, flush=True)  # noqa: T201 - journald reads it
        if self.files is not None:
            self.files.write(line)

    debug = info = warning = error = critical = exception = msg


def configure(level: str = "info", folder: Path | None = None, process: str = "cityloom") -> None:
    """Write JSON lines to stderr from `level` on, and with a folder also to files of days named by the process."""
    sink = Sink(None if folder is None else DayFiles(folder, process, SystemClock()))
    logging.basicConfig(level=logging.WARNING, handlers=[Libraries(sink)])
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            scrub,
            lambda _logger, _method, event: render(event),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=lambda *_: sink,
        cache_logger_on_first_use=True,
    )
    if folder is not None:  # a process that nobody looks at; the others tell of their end at a terminal
        sys.excepthook = _crashed
        threading.excepthook = lambda end: _crashed(end.exc_type, end.exc_value, end.exc_traceback)


def _crashed(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    """What ended a process or a thread, as a line like every other."""
    raised = error or kind()
    logger("process").critical("crashed", exc_info=(kind, raised, trace))


class Libraries(logging.Handler):
    """What libraries log, as lines of the same kind in the same places."""

    def __init__(self, sink: Sink) -> None:
        super().__init__()
        self.sink = sink

    def emit(self, record: logging.LogRecord) -> None:
        self.sink.msg(self.format(record))

    def format(self, record: logging.LogRecord) -> str:
        event: dict[str, Any] = {"event": record.getMessage(), "logger": record.name, "level": record.levelname.lower()}
        if record.exc_info:
            event["exception"] = logging.Formatter().formatException(record.exc_info)
        return render(scrub(None, "", event))


def logger(name: str) -> structlog.typing.FilteringBoundLogger:
    """The logger of one part."""
    found: structlog.typing.FilteringBoundLogger = structlog.get_logger(part=name)
    return found


def access(**facts: str | int | float) -> None:
    """A line about one request, into the file alone, whatever the level; nothing where no logs are written."""
    files = _files()
    if files is not None:  # past structlog, whose way costs a query a tenth of its time
        for name in STRANGE:
            if name in facts:
                facts[name] = _scrubbed(facts[name])
        at = stamp(files.clock.now())
        files.write_soon(render({**facts, "event": "access", "level": "info", "timestamp": at}))


def close() -> None:
    """Write what was gathered, when the process ends."""
    files = _files()
    if files is not None:
        files.close()


def _files() -> DayFiles | None:
    sink = structlog.get_config()["logger_factory"]() if structlog.is_configured() else None
    return sink.files if isinstance(sink, Sink) else None


def scrub(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Blank out whatever looks like an identity number or a telephone number, in every value."""
    for key, value in event.items():
        event[key] = _scrubbed(value)
    return event


def _scrubbed(value: Any) -> Any:
    if isinstance(value, str):
        return PERSONAL.sub("[personal]", value)
    if isinstance(value, list | tuple):
        return [_scrubbed(each) for each in value]
    return {key: _scrubbed(each) for key, each in value.items()} if isinstance(value, dict) else value


def render(event: MutableMapping[str, Any]) -> str:
    """One line of JSON in which every character is seen."""
    try:
        line = JSON.encode(event).decode()
    except UnicodeEncodeError:  # half of a surrogate pair, which UTF-8 cannot hold
        line = json.dumps(event, default=repr)
    return UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", line)
