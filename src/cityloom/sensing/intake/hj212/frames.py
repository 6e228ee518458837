"""Frames of HJ 212: cut from a stream, checked, read into their fields; and written."""

import re
from typing import Literal

import msgspec

from cityloom.sensing.intake import checksums
from cityloom.sensing.intake.framing import Fault, Fed, Packet, Unreadable

LONGEST = 9999 + 12
"""Bytes of a frame, by the four digits of its length. The standard allows 1024 in the data segment."""
STANDARD_SEGMENT = 1024
STANDARD_CONTENT = 950

Version = Literal[2005, 2017, 2025]
Pair = tuple[str, str]
_VERSIONS: dict[int, Version] = {0: 2005, 1: 2017, 2: 2025}
_HEX4 = re.compile(rb"[0-9A-Fa-f]{4}")
_SYSTEMS = frozenset(str(each) for each in (*range(21, 28), *range(31, 40), 41, 51, 52, 91))
_BREAK = b"\r\n"


class Profile(msgspec.Struct, frozen=True):
    """What is forgiven to a device; everything forgiven is counted all the same."""

    wrong_crc: bool = False
    """Take frames whose checksum is wrong but whose length and end are right (some devices send a constant)."""
    factors: frozenset[str] | None = None
    """Codes that are known; others are counted. None: nothing is counted."""
    minutes: int | None = None
    """Length of the device's minute data; None leaves the end of such a period open."""


LENIENT = Profile()


class Frame(msgspec.Struct, frozen=True):
    """One frame, its fields as text. A field that is missing is empty."""

    raw: bytes
    """As it was sent, without the line's end, which may come in a read of its own."""
    qn: str
    st: str
    cn: str
    password: str
    mn: str
    flag: int | None
    packet: Packet | None
    items: tuple[tuple[Pair, ...], ...]
    """The content (CP): items, each of fields (name, value)."""
    deviations: tuple[str, ...] = ()
    """Names of what is not as the standard has it."""

    @property
    def version(self) -> Version:
        """The standard the device speaks, by the upper bits of Flag; without Flag that of 2005."""
        return _VERSIONS.get((self.flag or 0) >> 2, 2025)

    @property
    def wants_answer(self) -> bool:
        """Bit A of Flag."""
        return bool((self.flag or 0) & 1)

    def value(self, name: str) -> str | None:
        """The first field of that name in the content."""
        return next((value for item in self.items for key, value in item if key == name), None)


class _Cut(msgspec.Struct, frozen=True):
    """A stretch of the buffer: a frame's data segment, or, with a fault, nothing that can be read."""

    segment: bytes
    end: int
    deviations: tuple[str, ...] = ()
    fault: str = ""


def feed(buffer: bytes, profile: Profile = LENIENT) -> Fed[Frame]:
    """All whole frames of a piece of a stream, in order; never raises, and `rest` stays below LONGEST bytes."""
    frames: list[Frame] = []
    faults: list[Fault] = []
    at = begin = 0
    while (start := buffer.find(b"##", at)) >= 0:
        cut = _cut(buffer, start, profile)
        if cut is None:
            _skip(faults, "garbage", buffer[begin:start])
            return Fed(frames, buffer[start:], faults)
        if cut.end == start:  # two signs without a length are no beginning
            at = start + 1
            continue
        _skip(faults, "garbage", buffer[begin:start])
        at = begin = _take(buffer, start, cut, frames, faults)
    keep = len(buffer) - 1 if buffer.endswith(b"#") else len(buffer)
    _skip(faults, "garbage", buffer[begin : max(begin, keep)])
    return Fed(frames, buffer[max(begin, keep) :], faults)


def _take(buffer: bytes, start: int, cut: _Cut, frames: list[Frame], faults: list[Fault]) -> int:  # fmt: skip
    if not cut.fault:
        try:
            frames.append(read(buffer[start : cut.end].removesuffix(_BREAK), cut.segment, cut.deviations))
        except Unreadable as error:
            faults.append(Fault(error.code, buffer[start : cut.end]))
        return cut.end
    inside = buffer.find(b"##", start + 2, cut.end)  # a frame that was cut off may have swallowed the next one
    end = inside if inside >= 0 else cut.end
    _skip(faults, cut.fault, buffer[start:end])
    return end


def _skip(faults: list[Fault], code: str, raw: bytes) -> None:
    if raw.strip(_BREAK):
        faults.append(Fault(code, raw))


def _cut(buffer: bytes, start: int, profile: Profile) -> _Cut | None:
    """The frame that begins here; None when more must come; one that ends where it starts when none begins here."""
    size = len(buffer)
    length = buffer[start + 2 : start + 6]
    if length and not length.isdigit():
        return _Cut(b"", start)
    if len(length) < 4:
        return None
    end = start + 6 + int(length)
    line = buffer.find(_BREAK, start + 6, end + 6)
    if 0 <= line < end + 4:
        return _by_line(buffer, start, line)
    if size < end + 4:
        return None
    if not _HEX4.fullmatch(buffer, end, end + 4):
        return _too_long(buffer, start, end)
    return _by_length(buffer, start, end, profile)


def _by_length(buffer: bytes, start: int, end: int, profile: Profile) -> _Cut:
    """The length field is believed."""
    segment, sent = buffer[start + 6 : end], buffer[end : end + 4]
    after = buffer[end + 4 : end + 6]
    ended = after == _BREAK
    stop = end + 6 if ended else end + 4
    deviations: tuple[str, ...] = () if ended or after in (b"", b"\r") else ("crlf_missing",)
    if int(sent, 16) != checksums.hj212(segment):
        if not (profile.wrong_crc and ended):
            return _Cut(b"", stop, fault="crc_wrong")
        deviations += ("crc_wrong",)
    return _Cut(segment, stop, deviations + _about(segment, sent))


def _by_line(buffer: bytes, start: int, line: int) -> _Cut:
    """The line ends before the length says: believed when the checksum at its end is right."""
    segment, sent = buffer[start + 6 : line - 4], buffer[line - 4 : line]
    if line - 4 < start + 6 or not _HEX4.fullmatch(sent) or int(sent, 16) != checksums.hj212(segment):
        return _Cut(b"", line + 2, fault="length_wrong")
    return _Cut(segment, line + 2, ("length_wrong", *_about(segment, sent)))


def _too_long(buffer: bytes, start: int, end: int) -> _Cut | None:
    """No checksum where the length says: the line may end later."""
    line = buffer.find(_BREAK, end, start + LONGEST)
    if line >= 0:
        return _by_line(buffer, start, line)
    if len(buffer) - start < LONGEST and buffer.find(b"##", start + 6) < 0:
        return None
    return _Cut(b"", min(len(buffer), start + LONGEST), fault="length_wrong")


def _about(segment: bytes, sent: bytes) -> tuple[str, ...]:
    found: tuple[str, ...] = ()
    if len(segment) > STANDARD_SEGMENT:
        found += ("segment_long",)
    if sent != sent.upper():
        found += ("crc_lower_case",)
    return found


def read(raw: bytes, segment: bytes, deviations: tuple[str, ...] = ()) -> Frame:
    """The fields of a data segment. Raises Unreadable: `content_missing`, `mn_missing`, `cn_missing`, `flag_broken`, `packet_broken`."""
    text, noted = _text(segment)
    head, opened, tail = text.partition("CP=&&")
    content, closed, _after = tail.rpartition("&&")
    if not (opened and closed):
        raise Unreadable("content_missing")
    fields, repeated = _fields(head)
    if not fields.get("MN"):
        raise Unreadable("mn_missing")
    if not fields.get("CN"):
        raise Unreadable("cn_missing")
    items, doubled = _items(content)
    noted += deviations + _oddities(fields, head, content) + (("key_repeated",) if repeated or doubled else ())
    return Frame(
        raw, fields.get("QN", ""), fields.get("ST", ""), fields["CN"], fields.get("PW", ""), fields["MN"],
        _number(fields, "Flag", "flag_broken"), _packet(fields), items, noted,
    )  # fmt: skip


def _text(segment: bytes) -> tuple[str, tuple[str, ...]]:
    try:
        return segment.decode("utf-8"), ()
    except UnicodeDecodeError:
        try:
            return segment.decode("gb18030"), ("text_gbk",)
        except UnicodeDecodeError:
            return segment.decode("utf-8", "replace"), ("text_broken",)


def _fields(head: str) -> tuple[dict[str, str], bool]:
    fields: dict[str, str] = {}
    repeated = False
    for pair in head.split(";"):
        name, equals, value = pair.partition("=")
        if equals and name not in fields:
            fields[name] = value
        elif equals:
            repeated = True
    return fields, repeated


def _items(content: str) -> tuple[tuple[tuple[Pair, ...], ...], bool]:
    items: list[tuple[Pair, ...]] = []
    seen: set[str] = set()
    number = 0
    for item in content.split(";"):
        pairs: list[Pair] = []
        for field in item.split(","):
            name, equals, value = field.partition("=")
            if equals:
                pairs.append((name.strip(), value.strip()))
            elif pairs and field:  # free text of a log may hold commas
                pairs[-1] = (pairs[-1][0], f"{pairs[-1][1]},{field}")
        if pairs:
            items.append(tuple(pairs))
            seen.update(name for name, _value in pairs)
            number += len(pairs)
    return tuple(items), number != len(seen)


def _number(fields: dict[str, str], name: str, code: str) -> int | None:
    value = fields.get(name)
    if value is None:
        return None
    if not (value.isascii() and value.isdecimal() and len(value) <= 4):
        raise Unreadable(code)
    return int(value)


def _packet(fields: dict[str, str]) -> Packet | None:
    number = _number(fields, "PNO", "packet_broken")
    total = _number(fields, "PNUM", "packet_broken")
    if number is None or total is None:
        return None
    if not 1 <= number <= total:
        raise Unreadable("packet_broken")
    return Packet(number, total)


def _oddities(fields: dict[str, str], head: str, content: str) -> tuple[str, ...]:
    """What is not as 6.3 of the standard has it, by name."""
    mn, flag = fields["MN"], fields.get("Flag")
    checks = (
        ("qn_missing", "QN" not in fields),
        ("qn_digits", "QN" in fields and not (len(fields["QN"]) == 17 and fields["QN"].isdecimal())),
        ("flag_missing", flag is None),
        ("flag_unknown", flag is not None and flag.isdecimal() and int(flag) >> 2 > 1),
        ("st_unknown", fields.get("ST") not in _SYSTEMS),
        ("password_missing", "PW" not in fields),
        ("password_length", len(fields.get("PW", "******")) != 6),
        ("mn_length", len(mn) != 24),
        ("mn_characters", any(each not in "0123456789ABCDEFabcdef" for each in mn)),
        ("packet_order", -1 < head.find("PNO=") < head.find("PNUM=")),
        ("content_long", len(content) > STANDARD_CONTENT),
    )
    return tuple(name for name, found in checks if found)


def write(
    fields: tuple[Pair, ...], items: tuple[tuple[Pair, ...], ...] = (), upper: bool = True
) -> bytes:  # fmt: skip
    """A frame of these header fields, in this order, and this content. Raises Unreadable `segment_long` past 9999 bytes."""
    content = ";".join(",".join(f"{name}={value}" for name, value in item) for item in items)
    head = "".join(f"{name}={value};" for name, value in fields)
    segment = f"{head}CP=&&{content}&&".encode()
    if len(segment) > LONGEST - 12:
        raise Unreadable("segment_long")
    crc = f"{checksums.hj212(segment):04X}"
    return b"##%04d%b%b\r\n" % (len(segment), segment, (crc if upper else crc.lower()).encode())
