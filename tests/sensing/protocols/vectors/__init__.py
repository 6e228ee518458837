"""Frames that standards and makers have published, one a line; where each is from stands in its test."""

from pathlib import Path

HERE = Path(__file__).parent


def lines(name: str) -> list[str]:
    """The frames of a file."""
    return (HERE / f"{name}.txt").read_text(encoding="utf-8").splitlines()


def hj212() -> list[bytes]:
    """Sixteen frames with a right checksum, the first of them printed in the standard; and one with a wrong one."""
    return [line.encode() + b"\r\n" for line in lines("hj212")]


def binary(name: str) -> list[bytes]:
    """Frames written in hexadecimal."""
    return [bytes.fromhex(line) for line in lines(name)]
