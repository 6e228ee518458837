"""Gzip is unpacked within limits, and every encoding a department uses becomes UTF-8."""

import gzip
import os
import resource
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from cityloom.exchange.intake.decode import PIECE, Decoded, decode, unpack
from cityloom.exchange.intake.limits import MIB, Limits
from cityloom.kernel.errors import Invalid, Problem, TooLarge, Unavailable, Unsupported

TEXT = "id,姓名\n1,张三\n2,李四光\n3,欧阳修,𠮷㐂€\n"


@pytest.fixture
def into(tmp_path: Path) -> Path:
    return tmp_path / "out.utf8"


def put(folder: Path, data: bytes) -> Path:
    path = folder / "in"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("encoding", "declared", "charset"),
    [
        ("utf-8", "", "utf-8"),
        ("utf-8", "UTF8", "utf-8"),
        ("utf-8-sig", "", "utf-8"),
        ("utf-8-sig", "utf-8", "utf-8"),
        ("gb18030", "", "gb18030"),
        ("gb18030", "GBK", "gb18030"),
        ("gb18030", "gb2312", "gb18030"),
        ("utf-16", "", "utf-16-le"),
        ("utf-16", "utf-16", "utf-16-le"),
        ("utf-16-le", "UTF-16LE", "utf-16-le"),
        ("utf-16-be", "utf-16be", "utf-16-be"),
    ],
)
def test_each_encoding_becomes_utf8(tmp_path: Path, into: Path, encoding: str, declared: str, charset: str) -> None:
    path = put(tmp_path, TEXT.encode(encoding))
    found = decode(path, into, declared)
    assert (found.charset, found.lost) == (charset, 0)
    assert found.path.read_bytes()[found.skip :].decode() == TEXT


def test_utf8_is_read_where_it_lies(tmp_path: Path, into: Path) -> None:
    path = put(tmp_path, TEXT.encode())
    assert decode(path, into) == Decoded(path, "utf-8", 0, 0)
    path = put(tmp_path, TEXT.encode("utf-8-sig"))
    assert decode(path, into) == Decoded(path, "utf-8", 3, 0)
    path = put(tmp_path, b"plain,ascii\n1,2\n")
    assert decode(path, into, "gbk") == Decoded(path, "utf-8", 0, 0)
    assert not into.exists()


@pytest.mark.parametrize("shift", range(4))
@pytest.mark.parametrize("letter", ["é", "深", "𠮷"])
def test_characters_may_lie_across_pieces(tmp_path: Path, into: Path, shift: int, letter: str) -> None:
    data = b"x" * shift + letter.encode() * (2 * PIECE // len(letter.encode()))
    path = put(tmp_path, data)
    assert decode(path, into) == Decoded(path, "utf-8")
    assert decode(put(tmp_path, data[:-1]), into).lost == 1


def test_characters_of_2022_are_not_private(tmp_path: Path, into: Path) -> None:
    """GB 18030-2022 moved 25 characters from the private use area to their own code points."""
    path = put(tmp_path, "姓名，张三\n".encode("gb18030") + bytes.fromhex("fe59fe61a6d9fe51fe91a8bc"))
    assert decode(path, into).path.read_text() == "姓名，张三\n龴龵︐𠂇𤇾ḿ"


@pytest.mark.parametrize(
    ("data", "declared", "code"),
    [
        (TEXT.encode("utf-8-sig"), "gb18030", "exchange.charset_contradicts"),
        (TEXT.encode("utf-16"), "utf-8", "exchange.charset_contradicts"),
        (TEXT.encode("utf-8-sig"), "utf-16", "exchange.charset_contradicts"),
        ((TEXT * 9).encode("gb18030"), "utf-8", "exchange.charset_contradicts"),
        ((TEXT * 9).encode(), "gbk", "exchange.charset_contradicts"),
        (b"a" * 5 * MIB + (TEXT * 9).encode(), "gbk", "exchange.charset_contradicts"),
        (b"", "", "exchange.file_empty"),
        (b"\xff\xfe", "", "exchange.file_empty"),
    ],
)
def test_what_contradicts_is_refused(tmp_path: Path, into: Path, data: bytes, declared: str, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        decode(put(tmp_path, data), into, declared)
    assert refused.value.code == code
    assert not into.exists()


def test_a_declared_charset_wins_where_both_are_possible(tmp_path: Path, into: Path) -> None:
    """A few bytes may be text in both encodings."""
    path = put(tmp_path, "隆娄".encode("gbk"))
    assert decode(path, into, "gbk").path.read_text() == "隆娄"
    assert decode(path, into, "utf-8").path.read_text() == "¡¦"
    assert decode(path, into).path == path


@pytest.mark.parametrize(
    ("data", "declared", "code"),
    [
        (TEXT.encode(), "big5", "exchange.charset_unknown"),
        (b"PK\x03\x04" + bytes(range(32)) * 9, "", "exchange.not_text"),
        ((TEXT * 9).encode("utf-16-le"), "", "exchange.not_text"),
    ],
)
def test_what_is_not_read_is_refused(tmp_path: Path, into: Path, data: bytes, declared: str, code: str) -> None:
    with pytest.raises(Unsupported) as refused:
        decode(put(tmp_path, data), into, declared)
    assert refused.value.code == code


def test_what_cannot_be_decoded_is_counted(tmp_path: Path, into: Path) -> None:
    found = decode(put(tmp_path, TEXT.encode() + b"4,\xff\xfe\n5,\x80\n"), into)
    assert (found.charset, found.lost) == ("utf-8", 3)
    assert found.path.read_text() == TEXT + "4,��\n5,�\n"
    found = decode(put(tmp_path, TEXT.encode("gb18030") + b"4,\xff\n"), into)
    assert (found.charset, found.lost) == ("gb18030", 1)
    assert found.path.read_text() == TEXT + "4,�\n"


def test_gzip_is_unpacked_and_other_files_are_left(tmp_path: Path, into: Path) -> None:
    path = put(tmp_path, TEXT.encode())
    assert unpack(path, into, Limits()) == path
    assert not into.exists()
    packed = gzip.compress(TEXT.encode())
    path = put(tmp_path, packed + packed + b"\0" * 100)
    assert unpack(path, into, Limits()) == into
    assert into.read_text() == TEXT + TEXT


@pytest.mark.parametrize("cut", [11, 30, -4, -1])
def test_a_cut_gzip_is_refused(tmp_path: Path, into: Path, cut: int) -> None:
    with pytest.raises(Invalid) as refused:
        unpack(put(tmp_path, gzip.compress(os.urandom(MIB))[:cut]), into, Limits())
    assert refused.value.code == "exchange.gzip_broken"
    assert not into.exists()


def test_a_damaged_gzip_is_refused(tmp_path: Path, into: Path) -> None:
    packed = bytearray(gzip.compress(os.urandom(MIB)))
    packed[-6] ^= 1  # of the checksum
    with pytest.raises(Invalid) as refused:
        unpack(put(tmp_path, bytes(packed)), into, Limits())
    assert refused.value.code == "exchange.gzip_broken"


def bomb(path: Path, mib: int) -> None:
    packer = zlib.compressobj(9, wbits=31)
    with path.open("wb") as file:
        for _ in range(mib):
            file.write(packer.compress(bytes(MIB)))
        file.write(packer.flush())


@pytest.fixture
def largest_written(tmp_path: Path) -> Iterator[None]:
    """The kernel itself refuses to let a file of this process grow beyond 100 MiB."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100 * MIB, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.usefixtures("largest_written")
def test_a_zip_bomb_is_cut_off(tmp_path: Path, into: Path) -> None:
    path = tmp_path / "bomb.gz"
    bomb(path, 2000)
    assert path.stat().st_size < 3 * MIB
    with pytest.raises(TooLarge) as refused:
        unpack(path, into, Limits())
    assert (refused.value.code, refused.value.params) == ("exchange.ratio_too_high", {"limit": 250})
    assert not into.exists()
    with pytest.raises(TooLarge) as refused:
        unpack(path, into, Limits(max_bytes=50 * MIB, max_ratio=10_000))
    assert (refused.value.code, refused.value.params) == ("exchange.unpacked_too_large", {"limit": 50})
    assert not into.exists()


def test_a_full_disk_is_said_and_nothing_is_left() -> None:
    """/dev/full fails every write as a full disk does."""
    source = Path("/dev/shm") / f"cityloom-{os.getpid()}.csv"  # noqa: S108
    full = source.with_suffix(".out")
    source.write_bytes(TEXT.encode("gb18030"))
    full.symlink_to("/dev/full")
    try:
        with pytest.raises(Problem) as refused:
            decode(source, full)
        assert isinstance(refused.value, Unavailable)
        assert refused.value.code == "kernel.disk_full"
        assert not full.is_symlink()
    finally:
        source.unlink()
        full.unlink(missing_ok=True)
