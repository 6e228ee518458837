"""From the bytes of a file to a UTF-8 text file: unpacks gzip and settles the encoding, a few MiB at a time.

A UTF-8 file is only looked at, and read where it lies. Anything else is written anew as UTF-8, where U+FFFD stands for
what could not be decoded; the row that holds it is set aside by the readers, and the others go on.
"""

import codecs
import errno
import zlib
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
import pyarrow as pa

from cityloom.exchange.intake.limits import MIB, Limits
from cityloom.kernel.errors import Invalid, NoRoom, TooLarge, Unsupported

Charset = Literal["utf-8", "gb18030", "utf-16-le", "utf-16-be"]

GZIP = b"\x1f\x8b"
UTF8_BOM = codecs.BOM_UTF8
BOMS: tuple[tuple[bytes, Charset], ...] = (
    (UTF8_BOM, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
SPELLINGS: dict[str, Charset] = {
    "utf-8": "utf-8", "utf8": "utf-8", "utf-8-sig": "utf-8", "us-ascii": "utf-8", "ascii": "utf-8",
    "gb18030": "gb18030", "gbk": "gb18030", "gb2312": "gb18030", "cp936": "gb18030", "ms936": "gb18030",
    "windows-936": "gb18030", "x-gbk": "gb18030", "utf-16": "utf-16-le", "utf-16le": "utf-16-le",
    "utf-16-le": "utf-16-le", "utf-16be": "utf-16-be", "utf-16-be": "utf-16-be",
}  # fmt: skip
ACCEPTED = "UTF-8, GB18030, GBK, GB2312, UTF-16"
# GB 18030-2022 gives these their own characters; the codec still has the private-use ones of the 2000 edition
SINCE_2022 = str.maketrans(
    "\ue78d\ue78e\ue78f\ue790\ue791\ue792\ue793\ue794\ue795\ue796\ue7c7\ue81e\ue826"
    "\ue82b\ue82c\ue832\ue843\ue854\ue864\ue816\ue817\ue818\ue831\ue83b\ue855",
    "\ufe10\ufe12\ufe11\ufe13\ufe14\ufe15\ufe16\ufe17\ufe18\ufe19\u1e3f\u9fb4\u9fb5"
    "\u9fb6\u9fb7\u9fb8\u9fb9\u9fba\u9fbb\U00020087\U00020089\U000200cc\U000215d7\U0002298f\U000241fe",
)
PRIVATE_USE = b"\xee"  # first byte of U+E000 to U+EFFF in UTF-8
LOST = "\N{REPLACEMENT CHARACTER}"
LOST_BYTES = LOST.encode()
PIECE = 4 * MIB
GB_PIECE = MIB // 4  # stays in the processor's cache between decoding and encoding
SAMPLE = MIB
CERTAIN = 8  # this many multi-byte characters are not valid UTF-8 by accident (about 0.18 ** 8)


class Decoded(msgspec.Struct, frozen=True):
    """A text file in UTF-8."""

    path: Path
    charset: Charset
    """The encoding it came in."""
    skip: int = 0
    """Bytes of byte order mark at the start of `path`."""
    lost: int = 0
    """Places where bytes could not be decoded; U+FFFD stands there."""


def unpack(path: Path, into: Path, limits: Limits) -> Path:
    """`path` itself, or `into` holding what the gzip file at `path` unpacks to; told by its first bytes.

    Raises TooLarge `exchange.unpacked_too_large`, `exchange.ratio_too_high` (writing stops there, and `into` is
    removed), Invalid `exchange.gzip_broken`, NoRoom `kernel.disk_full`.
    """
    with path.open("rb") as source:
        if source.read(2) != GZIP:
            return path
        source.seek(0)
        _write(into, _unpacked(source, limits))
    return into


def decode(path: Path, into: Path, declared: str = "") -> Decoded:
    """The text of `path` (already unpacked) as UTF-8: in place if it is that, else written to `into`.

    `declared` is the charset the sender named, or nothing: it wins, unless the bytes say plainly otherwise.
    Raises Invalid `exchange.file_empty`, `exchange.charset_contradicts`, Unsupported `exchange.charset_unknown`,
    `exchange.not_text`, NoRoom `kernel.disk_full`.
    """
    wanted = _spelled(declared)
    with path.open("rb") as source:
        head = source.read(SAMPLE)
        mark, marked = _marked(head)
        if len(head) == len(mark):
            raise Invalid("exchange.file_empty")
        if marked and wanted and marked[:5] != wanted[:5]:  # declared as UTF-16, either byte order may be marked
            raise Invalid("exchange.charset_contradicts", declared=declared, found=f"{marked} (BOM)")
        wide = marked or wanted
        if wide in ("utf-16-le", "utf-16-be"):
            return _transcode(source, into, wide, len(mark))
        _expect_text(head[:4096])
        fault = _first_fault(source, len(mark))
        charset = marked or _settle(source, head, fault, declared, wanted)
        if charset == "utf-8" and fault is None:
            return Decoded(path, "utf-8", len(mark))
        return _transcode(source, into, charset, len(mark))


def _expect_text(head: bytes) -> None:
    """A stray U+0000 is a damaged value; among many control characters it is a picture, or UTF-16 without mark."""
    strange = sum(byte < 0x20 and byte not in b"\t\n\f\r\x1a" for byte in head)
    if b"\0" in head and strange > 4 and strange * 100 > len(head):
        raise Unsupported("exchange.not_text")


def _marked(head: bytes) -> tuple[bytes, Charset | None]:
    for mark, charset in BOMS:
        if head.startswith(mark):
            return mark, charset
    return b"", None


def _spelled(declared: str) -> Charset | None:
    if not declared:
        return None
    found = SPELLINGS.get(declared.strip().strip('"').lower().replace("_", "-"))
    if found is None:
        raise Unsupported("exchange.charset_unknown", declared=declared[:40], known=ACCEPTED)
    return found


def _settle(source: BufferedReader, head: bytes, fault: int | None, declared: str, wanted: Charset | None) -> Charset:
    """UTF-8 or GB18030, for a file without byte order mark; `fault` is where it stops being UTF-8."""
    if fault is None:
        return "utf-8" if wanted != "gb18030" else _check_gb18030(source, declared)
    if wanted == "gb18030":
        return wanted
    source.seek(max(0, fault - SAMPLE // 2))
    text = (head + source.read(SAMPLE)).decode("utf-8", "replace")
    lost = text.count(LOST)
    kept = sum(char > "\x7f" for char in text) - lost
    if kept > lost:
        return "utf-8"
    if wanted == "utf-8" and lost >= CERTAIN:
        raise Invalid("exchange.charset_contradicts", declared=declared, found="gb18030")
    return wanted or "gb18030"


def _check_gb18030(source: BufferedReader, declared: str) -> Charset:
    """Declared as GB18030, and all of it valid UTF-8: ASCII, a few lucky characters, or wrongly declared."""
    start = _first_multibyte(source)
    if start is None:
        return "utf-8"
    source.seek(start)
    sample = source.read(SAMPLE)
    chars = sum(char > "\x7f" for char in sample.decode("utf-8", "ignore"))
    if chars >= CERTAIN and LOST in codecs.getincrementaldecoder("gb18030")("replace").decode(sample):
        raise Invalid("exchange.charset_contradicts", declared=declared, found="utf-8")
    return "gb18030"


def _first_multibyte(source: BufferedReader) -> int | None:
    source.seek(0)
    offset = 0
    while piece := source.read(PIECE):
        if not piece.isascii():
            return offset + int(np.argmax(np.frombuffer(piece, dtype=np.uint8) > 0x7F))
        offset += len(piece)
    return None


def _first_fault(source: BufferedReader, start: int) -> int | None:
    """Offset of the first bytes that are not UTF-8, or None. One pass, 2 to 3 GB/s."""
    buffer = bytearray(PIECE)
    view = memoryview(buffer)
    source.seek(start)
    held, offset = 0, start
    while count := source.readinto(view[held:]):
        size = held + count
        whole = _whole(buffer, size)
        if not _is_utf8(buffer, whole):
            return offset + _fault_in(bytes(view[:whole]))
        held = size - whole
        buffer[:held] = buffer[whole:size]
        offset += whole
    return offset if held else None


def _whole(buffer: bytearray, size: int) -> int:
    """How many of the first `size` bytes end on a character's border, judging by the last three."""
    for back in range(1, min(3, size) + 1):
        byte = buffer[size - back]
        if byte >= 0xC0:
            needed = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return size - back if needed > back else size
        if byte < 0x80:
            break
    return size


def _is_utf8(buffer: bytearray, size: int) -> bool:
    ends = pa.py_buffer(np.array([0, size], dtype=np.int32))
    try:
        pa.StringArray.from_buffers(1, ends, pa.py_buffer(buffer)).validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _fault_in(data: bytes) -> int:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start
    return 0


def _transcode(source: BufferedReader, into: Path, charset: Charset, skip: int) -> Decoded:
    lost = 0

    def pieces() -> Iterator[bytes]:
        nonlocal lost
        decoder = codecs.getincrementaldecoder(charset)("replace")
        source.seek(skip)
        more = True
        while more:
            read = source.read(GB_PIECE)
            more = bool(read)
            text = decoder.decode(read, not more)
            data = text.encode()
            if LOST_BYTES in data:
                lost += text.count(LOST)
            yield text.translate(SINCE_2022).encode() if PRIVATE_USE in data else data

    _write(into, pieces())
    return Decoded(into, charset, 0, lost)


def _unpacked(source: BufferedReader, limits: Limits) -> Iterator[bytes]:
    packed = unpacked = 0
    unpacker = zlib.decompressobj(wbits=31)
    while data := source.read(MIB):
        packed += len(data)
        while data:
            if unpacker.eof:  # members may follow one another, and be padded with zeros
                data = data.lstrip(b"\0")
                unpacker = zlib.decompressobj(wbits=31) if data else unpacker
                continue
            piece = _inflate(unpacker, data)
            data = unpacker.unconsumed_tail or unpacker.unused_data
            unpacked += len(piece)
            _weigh(packed - len(data), unpacked, limits)
            yield piece
    yield unpacker.flush()
    _expect_end(unpacker)


def _expect_end(unpacker: "zlib._Decompress") -> None:
    if not unpacker.eof:
        raise Invalid("exchange.gzip_broken")


def _inflate(unpacker: "zlib._Decompress", data: bytes) -> bytes:
    try:
        return unpacker.decompress(data, PIECE)
    except zlib.error as error:
        raise Invalid("exchange.gzip_broken") from error


def _weigh(packed: int, unpacked: int, limits: Limits) -> None:
    if unpacked > limits.max_bytes:
        raise TooLarge("exchange.unpacked_too_large", limit=limits.max_bytes // MIB)
    if unpacked > limits.ratio_from and unpacked > packed * limits.max_ratio:
        raise TooLarge("exchange.ratio_too_high", limit=limits.max_ratio)


def _write(into: Path, pieces: Iterator[bytes]) -> None:
    try:
        with into.open("wb") as file:
            for piece in pieces:
                file.write(piece)
    except OSError as error:
        into.unlink(missing_ok=True)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise NoRoom("kernel.disk_full", free=0, needed="?") from error
        raise
    except BaseException:
        into.unlink(missing_ok=True)
        raise
