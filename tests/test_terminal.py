"""What the commands of all modules share: files that people wrote, and the language they read."""

from pathlib import Path

import pytest

from cityloom.kernel.errors import Invalid
from cityloom.terminal import language, read_body


def test_days_in_a_file_are_texts_as_json_has_them(tmp_path: Path) -> None:
    file = tmp_path / "ticket.yaml"
    file.write_text('key: ["1"]\nvalue: 1990-03-07\nat: 2026-03-02 09:00:00\nmany: {a: [2026-01-31]}\n')
    assert read_body(file) == {
        "key": ["1"], "value": "1990-03-07", "at": "2026-03-02T09:00:00", "many": {"a": ["2026-01-31"]},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"dataset: [a\n", "kernel.file_not_yaml"), (b"a: b: c\n", "kernel.file_not_yaml"),
        (b"", "kernel.file_empty"), (b"# nothing yet\n", "kernel.file_empty"),
        ("理由: 核验".encode("gb18030"), "kernel.file_not_utf8"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_body_is_named(tmp_path: Path, content: bytes, code: str) -> None:
    file = tmp_path / "wish.yaml"
    file.write_bytes(content)
    with pytest.raises(Invalid) as refused:
        read_body(file)
    assert refused.value.code == code
    assert refused.value.params["file"] == str(file)


@pytest.mark.parametrize(
    ("city", "terminal", "spoken"),
    [
        ("zh", "en_GB.UTF-8", "zh"),
        ("en", "zh_CN.UTF-8", "en"),
        ("", "zh_CN.UTF-8", "zh"),
        ("", "C", "en"),
        ("", "", "en"),
    ],
)
def test_the_language_is_the_citys_else_the_terminals(
    monkeypatch: pytest.MonkeyPatch, city: str, terminal: str, spoken: str
) -> None:
    monkeypatch.setenv("CITYLOOM_LANGUAGE", city)
    monkeypatch.setenv("LANG", terminal)
    assert language() == spoken
