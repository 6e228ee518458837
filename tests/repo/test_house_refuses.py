"""Each rule of the house bites: a change is laid over the real repository, and the rule names exactly that."""

from collections.abc import Callable

import house_code as code
import house_docs as docs
import house_words as words
import pytest
from house_tree import Rule, Tree, here

Break = Callable[[Tree], Tree]
Case = tuple[Rule, Break, tuple[str, ...]]

X = "src/cityloom/exchange/"
R = "src/cityloom/cases/"
FIRST = "docs/decisions/0001-record-decisions.md"
SETTINGS = "docs/reference/settings.md"
WORDS_OF_KERNEL = "src/cityloom/kernel/words/kernel.yaml"


def case(rule: Rule, breaks: Break, *expected: str) -> Case:
    """A rule, a break, and how each fault begins that the break must bring; none: it is no break."""
    return rule, breaks, expected


def having(path: str, text: str) -> Break:
    return lambda tree: tree.having(path, text)


def lacking(path: str) -> Break:
    return lambda tree: tree.lacking(path)


def edited(path: str, old: str, new: str) -> Break:
    return lambda tree: tree.edited(path, old, new)


RAISES = "from cityloom.kernel.errors import Invalid\n\n\ndef refuse() -> None:\n    raise Invalid({})\n"
RELAYS = """from cityloom.kernel.errors import Invalid


def once(name: str, code: str) -> None:
    raise Invalid(code, name=name)


once("a", "kernel.not_found")
once("a", {})
"""
NAMESAKE = 'class Refused(Exception):\n    """Not of ours."""\n\n\nerror = Refused(404, "gone")\n'
SPACE = "src/cityloom/exchange/words/spare.yaml"
PAGE = "docs/guides/spare.md"
LOCK = "requirements.lock"

CODE = [
    case(code.short_files, having(f"{X}rules/long.py", "x = 1\n" * 501), f"{X}rules/long.py: 501 lines, more than 500"),
    case(code.short_files, having(f"{X}rules/long.py", "x = 1\n" * 500)),
    case(code.written_imports, having(f"{X}rules/a.py", "from . import b\n"), f"{X}rules/a.py:1: relative import"),
    case(code.written_imports, having(f"{X}a.py", 'importlib.import_module("b")\n'), f"{X}a.py:1: import by name"),
    case(code.written_imports, having(f"{X}a.py", '\n__import__("b")\n'), f"{X}a.py:2: import by name"),
    case(code.no_machine_paths, having("docs/a.md", "/home" + "/anna/x\n"), "docs/a.md:1: path of one machine: /home"),
    case(code.no_machine_paths, having("docs/a.md", "\n/work" + "/x\n"), "docs/a.md:2: path of one machine: /work"),
    case(code.no_machine_paths, having("docs/a.md", "a/work/b, /workers/ and src/root/x are none\n")),
    case(code.no_registries, having("docs/a.md", "https://py" + "pi.org/simple"), "docs/a.md:1: package registry: py"),
    case(code.nothing_unfinished, having(f"{X}a.py", "# TO" + "DO later\n"), f"{X}a.py:1: TO"),
    case(code.sql_in_its_rooms, having(f"{X}api/a.py", 'Q = "SELECT 1"\n'), f"{X}api/a.py:1: SQL outside a store"),
    case(code.sql_in_its_rooms, having(f"{X}a.py", 'q = f"DELETE FROM {t}"\n'), f"{X}a.py:1: SQL outside a store"),
    case(code.sql_in_its_rooms, having(f"{X}api/a.py", 'TOLD = "Select a file, or update it."\n')),
    case(code.sql_in_its_rooms, having(f"{X}store/a.py", 'Q = "SELECT 1"\n')),
    case(code.rooms, having(f"{X}helpers.py", ""), f"{X}helpers.py: not a room of the house"),
    case(code.rooms, having(f"{X}notes/a.txt", ""), f"{X}notes: not a room of the house"),
    case(code.rooms, having(f"{R}module.py", ""), "src/cityloom/cases: no README.md"),
    case(
        code.contracts_know_every_module,
        having(f"{R}__init__.py", ""),
        "pyproject.toml: cityloom.cases is not in the containers",
    ),
    case(code.migrations, having(f"{R}migrations/0002_a.sql", ""), f"{R}migrations/0002_a.sql: migration 1 of its"),
    case(
        code.migrations,
        having(f"{R}migrations/0001_a.sql", "CREATE TABLE exchange.a (b int);\n"),
        f"{R}migrations/0001_a.sql: makes something in schema exchange",
    ),
    case(
        code.migrations,
        having(f"{R}migrations/0001_a.sql", "CREATE TABLE cases.a (b int REFERENCES console.c);\n"),
        f"{R}migrations/0001_a.sql: a foreign key to schema console, which is not below cases",
    ),
    case(
        code.migrations,
        having(
            "src/cityloom/sensing/migrations/0001_sensing.sql",
            "CREATE TABLE sensing.a (b int REFERENCES exchange.c);\n",
        ),
        "src/cityloom/sensing/migrations/0001_sensing.sql: a foreign key to schema exchange",
    ),
    case(
        code.migrations,
        having(f"{R}migrations/0001_a.sql", "CREATE TABLE cases.a (b int REFERENCES exchange.c);\n"),
    ),
]

WORDS = [
    case(
        words.codes_have_words,
        having(f"{X}rules/a.py", RAISES.format('"exchange.no_such"')),
        f"{X}rules/a.py:5: exchange.no_such has no words",
    ),
    case(
        words.codes_have_words,
        having(f"{X}rules/a.py", RAISES.format('f"exchange.nothing_{1}"')),
        f"{X}rules/a.py:5: exchange.nothing_ has no words",
    ),
    case(
        words.codes_have_words,
        having(f"{X}rules/a.py", RELAYS.format('"exchange.no_such"')),
        f"{X}rules/a.py:9: exchange.no_such has no words",
    ),
    case(
        words.codes_are_written_out,
        having(f"{X}rules/a.py", RELAYS.format("str(1)")),
        f"{X}rules/a.py:9: the code is not a literal",
    ),
    case(words.codes_have_words, having(f"{X}rules/a.py", NAMESAKE)),
    case(
        words.codes_are_written_out,
        having(f"{X}rules/a.py", RAISES.format("str(1)")),
        f"{X}rules/a.py:5: the code is not a literal",
    ),
    case(
        words.holes_are_filled,
        having(f"{X}rules/a.py", RAISES.format('"kernel.pack_wrong", file="a"')),
        f"{X}rules/a.py:5: kernel.pack_wrong is not given {{reason}}",
    ),
    case(words.both_languages, having(SPACE, 'exchange.a: {en: "One"}\n'), "exchange.a: needs en and zh"),
    case(words.both_languages, having(SPACE, 'exchange.a: {en: "One", zh: " "}\n'), "exchange.a: needs en and zh"),
    case(
        words.both_languages, having(SPACE, 'exchange.a: {en: "One", zh: "One"}\n'), "exchange.a: en is not English or"
    ),
    case(words.both_languages, having(SPACE, 'exchange.a: {en: "{n}a", zh: "一"}\n'), "exchange.a: en and zh ask for"),
    case(
        words.one_text_per_code,
        having(SPACE, 'kernel.not_found: {en: "One", zh: "一"}\n'),
        f"{WORDS_OF_KERNEL}: kernel.not_found stands in {SPACE} too",
    ),
    case(
        words.one_text_per_code,
        having(SPACE, 'exchange.a.remedy: {en: "One", zh: "一"}\n'),
        f"{SPACE}: exchange.a.remedy has no problem",
    ),
    case(words.no_idle_words, having(SPACE, 'exchange.a: {en: "One", zh: "一"}\n'), "exchange.a: nothing says this"),
]

DOCS = [
    case(docs.links_resolve, having(PAGE, "[a](gone.md)\n"), f"{PAGE}: gone.md leads nowhere"),
    case(docs.links_resolve, having(PAGE, "[a](../words.md#gone)\n"), f"{PAGE}: ../words.md#gone leads nowhere"),
    case(
        docs.links_resolve,
        having(PAGE, "[a](../words.md#data-and-who-keeps-it) `[b](gone.md)` [c](https://a.example)\n"),
    ),
    case(docs.pages_are_reachable, having(PAGE, "# Alone\n"), f"{PAGE}: no page leads here"),
    case(
        docs.decisions,
        lambda tree: tree.having("docs/decisions/0000-hammer.md", tree.read(FIRST)).lacking(FIRST),
        "docs/decisions/0000-hammer.md: record 1 must be named 0001-",
    ),
    case(docs.decisions, edited(FIRST, "# 0001. ", "# "), f"{FIRST}: record 1 must be named 0001-"),
    case(
        docs.decisions,
        edited(FIRST, "## Cost of the other way", "## Cost"),
        f"{FIRST}: no part 'Cost of the other way'",
    ),
    case(docs.decisions, edited(FIRST, "**Tags:**", "Tags:"), f"{FIRST}: no status or no tags"),
    case(docs.reference_is_fresh, edited(SETTINGS, "_PORT`", "_DOOR`"), f"{SETTINGS}: not what the code says"),
    case(docs.reference_is_fresh, lacking(SETTINGS), f"{SETTINGS}: not what the code says"),
    case(
        docs.changes_are_told,
        having("CHANGELOG.md", "# Changes\n\n## 0.0.1 - 2020-01-01\n\n- Born.\n"),
        "CHANGELOG.md: neither Unreleased nor 0.",
    ),
    case(
        docs.changes_are_told,
        having("CHANGELOG.md", "# Changes\n\n## Unreleased\n\n"),
        "CHANGELOG.md: Unreleased is empty",
    ),
    case(
        docs.pins_are_whole,
        edited("pyproject.toml", '"duckdb==1.5.5"', '"duckdb==1.5.6"'),
        "requirements.lock: nothing for duckdb==1.5.6",
    ),
    case(
        docs.pins_are_whole,
        edited("pyproject.toml", '"duckdb==1.5.5",', '"duckdb==1.5.5", "no-such-package>=1",'),
        "requirements.lock: nothing for no-such-package>=1",
    ),
    case(
        docs.pins_are_whole,
        lambda tree: tree.having(LOCK, tree.read(LOCK) + "zope==1.0\n"),
        "requirements.lock: zope has no hash",
    ),
    case(
        docs.pins_are_whole,
        lambda tree: tree.having(LOCK, "--index-url https://a.example\n" + tree.read(LOCK)),
        "requirements.lock: an address",
    ),
    case(
        docs.pins_are_whole,
        edited("pyproject.toml", '"pytest>=9"', '"pytest>=99"'),
        "requirements-dev.lock: nothing for pytest>=99",
    ),
    case(
        docs.pins_are_whole,
        edited("requirements-dev.lock", "rich==", "rich==1"),
        "requirements-dev.lock: rich is not as in requirements.lock",
    ),
    case(
        docs.publiccode,
        edited("publiccode.yml", "developmentStatus: development", "developmentStatus: nearly"),
        "publiccode.yml: Invalid enum value 'nearly' - at `$.developmentStatus`",
    ),
    case(
        docs.publiccode,
        edited("publiccode.yml", "license: Apache-2.0", "license: MIT"),
        "publiccode.yml: version or licence is not that of pyproject.toml",
    ),
    case(
        docs.publiccode,
        edited("publiccode.yml", "availableLanguages: [en, zh]", "availableLanguages: [en]"),
        "publiccode.yml: not described in every language it is available in",
    ),
]


@pytest.mark.parametrize(("rule", "breaks", "expected"), CODE + WORDS + DOCS)
def test_the_rule_names_the_break_and_nothing_else(rule: Rule, breaks: Break, expected: tuple[str, ...]) -> None:
    tree = here()
    before = set(rule(tree))
    after = [fault for fault in rule(breaks(tree)) if fault not in before]
    assert len(after) == len(expected), after
    assert all(fault.startswith(start) for fault, start in zip(after, expected, strict=True)), after


def test_every_rule_is_proved() -> None:
    proved = {rule for rule, _, expected in CODE + WORDS + DOCS if expected}
    assert proved == set(code.RULES + words.RULES + docs.RULES)
