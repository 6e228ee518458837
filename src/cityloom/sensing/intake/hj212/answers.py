"""Frames that the platform sends: answers to uploads, and commands to devices (HJ 212-2017, 6.6 and Annex C)."""

from datetime import datetime
from enum import IntEnum
from typing import Literal

from cityloom.sensing.intake.framing import CHINA
from cityloom.sensing.intake.hj212.frames import Frame, Pair, Version, write

Items = tuple[tuple[Pair, ...], ...]
Answer = Literal["9011", "9012", "9013", "9014"]
INTERACTION = "91"
"""The system code (ST) of every answer."""
_VERSION_BITS = {2005: 0, 2017: 4, 2025: 8}


class Readiness(IntEnum):
    """QnRtn: whether the asked one will do it."""

    ready = 1
    refused = 2
    password_wrong = 3
    mn_wrong = 4
    st_wrong = 5
    flag_wrong = 6
    qn_wrong = 7
    cn_wrong = 8
    crc_wrong = 9
    unknown = 100


class Outcome(IntEnum):
    """ExeRtn: what came of it."""

    done = 1
    failed = 2
    condition_wrong = 3
    timed_out = 4
    busy = 5
    broken = 6
    no_data = 100


def number(at: datetime) -> str:
    """QN: the moment of asking to the millisecond, which names request and answers."""
    local = at.astimezone(CHINA)
    return f"{local:%Y%m%d%H%M%S}{local.microsecond // 1000:03d}"


def answer(asked: Frame, cn: Answer, result: Readiness | Outcome | None = None) -> bytes:
    """The frame that answers another: the same QN, password and MN; 9011 says QnRtn, 9012 ExeRtn, the others nothing.

    A device of 2005 finds its QN in the content too, as that version has it.
    """
    items: list[Pair] = [("QN", asked.qn)] if asked.version == 2005 and asked.qn else []
    if result is not None:
        items.append(("QnRtn" if isinstance(result, Readiness) else "ExeRtn", str(int(result))))
    head: tuple[Pair, ...] = (("ST", INTERACTION), ("CN", cn), ("PW", asked.password), ("MN", asked.mn))
    head = (("QN", asked.qn), *head) if asked.qn else head
    return write((*head, ("Flag", str(_VERSION_BITS[asked.version]))), tuple((each,) for each in items))


def command(qn: str, st: str, cn: str, password: str, mn: str, items: Items = (), version: Version = 2017) -> bytes:
    """A request to a device, which must answer it."""
    head = (("QN", qn), ("ST", st), ("CN", cn), ("PW", password), ("MN", mn), ("Flag", str(_VERSION_BITS[version] | 1)))
    return write(head, items)


def set_time(at: datetime, factor: str | None = None) -> Items:
    """Content of 1012: the time a device shall have; of one instrument when its factor is named."""
    clock = ("SystemTime", at.astimezone(CHINA).strftime("%Y%m%d%H%M%S"))
    return ((("PolId", factor),), (clock,)) if factor else ((clock,),)


def set_realtime_interval(seconds: int) -> Items:
    """Content of 1062: 30 to 3600 seconds. Raises ValueError outside."""
    if not 30 <= seconds <= 3600:
        raise ValueError("RtdInterval is 30 to 3600 seconds")
    return ((("RtdInterval", str(seconds)),),)


def set_minute_interval(minutes: int) -> Items:
    """Content of 1064: a divisor of the hour that the standard lists. Raises ValueError otherwise."""
    if minutes not in {1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30}:
        raise ValueError("MinInterval is 1, 2, 3, 4, 5, 6, 10, 12, 15, 20 or 30 minutes")
    return ((("MinInterval", str(minutes)),),)


def set_patience(seconds: int, times: int) -> Items:
    """Content of 1000: how long a device waits for an answer, and how often it sends again."""
    return ((("OverTime", str(seconds)),), (("ReCount", str(times)),))


def between(start: datetime, end: datetime) -> Items:
    """Content of requests for history: 2031, 2041, 2051, 2061."""
    begin, until = (each.astimezone(CHINA).strftime("%Y%m%d%H%M%S") for each in (start, end))
    return ((("BeginTime", begin),), (("EndTime", until),))
