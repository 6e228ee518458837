"""Words are data: each code has an English and a Chinese text, in the words.yaml of the module that owns it."""

from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Literal

import msgspec

from cityloom.kernel.errors import Problem

Language = Literal["en", "zh"]


class Text(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One text in both languages."""

    en: str
    zh: str

    def of(self, language: str) -> str:
        """The text in `language` (anything but zh reads English)."""
        return self.zh if language == "zh" else self.en


class Words(msgspec.Struct, frozen=True):
    """All texts of the installed modules by code."""

    texts: Mapping[str, Text]

    def say(self, code: str, language: str, **params: object) -> str:
        """The text of `code` with its parameters filled in; a code without words reads as itself."""
        text = self.texts.get(code)
        return fill(text.of(language), params) if text else code

    def problem(self, problem: Problem, language: str) -> tuple[str, str]:
        """What is wrong and what to do about it (empty where there is nothing to do)."""
        detail = self.say(problem.code, language, **problem.params)
        remedy = self.texts.get(f"{problem.code}.remedy")
        return detail, fill(remedy.of(language), problem.params) if remedy else ""


def fill(template: str, params: Mapping[str, object]) -> str:
    """Replace `{name}` by the parameter; unknown names stay as they are, so a wrong text never hides the problem."""
    for name, value in params.items():
        template = template.replace("{" + name + "}", str(value))
    return template


def load(packages: Iterable[str]) -> Words:
    """Read words.yaml (or every file of words/) of each package, such as `cityloom.exchange`."""
    texts: dict[str, Text] = {}
    for package in packages:
        texts.update(_of_package(package))
    return Words(texts)


@cache
def _of_package(package: str) -> Mapping[str, Text]:
    """Read once in a process: what a program says does not change while it runs."""
    texts: dict[str, Text] = {}
    for source in _sources(resources.files(package)):
        texts.update(msgspec.yaml.decode(source.read_bytes(), type=dict[str, Text]))
    return texts


def everything() -> Words:
    """The texts of all modules, switched on or not: for a command that imports none of them."""
    modules = (entry for entry in resources.files("cityloom").iterdir() if entry.is_dir() and _sources(entry))
    return load(f"cityloom.{module.name}" for module in modules)


def _sources(folder: Traversable) -> list[Traversable]:
    single, several = folder / "words.yaml", folder / "words"
    found = [single] if single.is_file() else []
    if several.is_dir():
        found += sorted((entry for entry in several.iterdir() if entry.name.endswith(".yaml")), key=lambda e: e.name)
    return found
