"""Rules of the house about words: every code that is raised has its texts, in both languages, with what they need."""

import ast
import re
from collections.abc import Iterator
from typing import Any

import msgspec
from house_tree import Rule, Tree

HOLE = re.compile(r"\{(\w+)\}")
HAN = re.compile(r"[\u4e00-\u9fff]")
CARRIES_CODES = {
    "src/cityloom/exchange/api/deliveries.py": "says again the refusal that the ledger kept",
    "src/cityloom/kernel/audit/seal.py": "raises what a finding, whose code is a literal, says",
}


class Raised(msgspec.Struct, frozen=True):
    """A place where a problem is made."""

    where: str
    code: str | None
    """The code, or for an f-string its beginning, ending in a dot or underline; None when neither can be read."""
    params: frozenset[str] | None
    """Names of the parameters; None when they are not written out."""


def texts(tree: Tree) -> dict[str, dict[str, Any]]:
    """Every text of the modules by code, as it stands in the file."""
    found: dict[str, dict[str, Any]] = {}
    for path in word_files(tree):
        found.update(msgspec.yaml.decode(tree.read(path), type=dict[str, dict[str, Any]]))
    return found


def word_files(tree: Tree) -> list[str]:
    """words.yaml of each module, or the files of its folder words/."""
    return [path for path in tree.find(".yaml", under="src/") if re.search(r"/words(\.yaml|/[^/]+\.yaml)$", path)]


def problems(tree: Tree) -> set[str]:
    """Names of the classes of problems, wherever they are declared."""
    parents = {
        node.name: {ast.unparse(base).split(".")[-1] for base in node.bases}
        for _, code in tree.python("src/")
        for node in ast.walk(code)
        if isinstance(node, ast.ClassDef)
    }
    names = {"Problem"}
    while more := {name for name, bases in parents.items() if bases & names} - names:
        names |= more
    return names


def raised(tree: Tree) -> Iterator[Raised]:
    """Every call that makes a problem or has one made by a function of its file, and every literal given as `code=`."""
    kinds = problems(tree)
    for path, code in tree.python("src/"):
        own = {node.name for node in ast.walk(code) if isinstance(node, ast.ClassDef)}
        meant = {name for name in kinds if name not in own or _is_problem(code, name, kinds)}
        relays = dict(_relays(code, meant))
        for node in ast.walk(code):
            if isinstance(node, ast.Call):
                yield from _made(f"{path}:{node.lineno}", node, meant, relays)


def _made(where: str, node: ast.Call, kinds: set[str], relays: dict[str, int]) -> Iterator[Raised]:
    called = ast.unparse(node.func).split(".")[-1]
    if node.args and called in kinds and not (relays and _is_the_code(node.args[0])):
        names = [keyword.arg for keyword in node.keywords]
        given = None if None in names else frozenset(name for name in names if name)
        yield Raised(where, _literal(node.args[0]), given)
    if called in relays and len(node.args) > relays[called]:
        yield Raised(where, _literal(node.args[relays[called]]), None)
    for keyword in node.keywords:
        if keyword.arg == "code" and "." in (_literal(keyword.value) or ""):
            yield Raised(where, _literal(keyword.value), None)


def _relays(code: ast.Module, kinds: set[str]) -> Iterator[tuple[str, int]]:
    """Functions that make a problem of the code their caller gives: name, and where `code` stands."""
    for function in ast.walk(code):
        if isinstance(function, ast.FunctionDef) and "code" in (names := [each.arg for each in function.args.args]):
            calls = [node for node in ast.walk(function) if isinstance(node, ast.Call) and node.args]
            if any(ast.unparse(node.func).split(".")[-1] in kinds and _is_the_code(node.args[0]) for node in calls):
                yield function.name, names.index("code") - (names[0] == "self")


def _is_the_code(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "code"


def _literal(node: ast.expr) -> str | None:
    if isinstance(node, ast.JoinedStr):
        first = node.values[0]
        beginning = first.value if isinstance(first, ast.Constant) else ""
        return str(beginning) if _family(str(beginning)) else None
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _is_problem(code: ast.Module, name: str, kinds: set[str]) -> bool:
    """Whether the class of that name in this file is a problem, not a namesake."""
    own = [node for node in ast.walk(code) if isinstance(node, ast.ClassDef) and node.name == name]
    bases = {ast.unparse(base).split(".")[-1] for node in own for base in node.bases}
    return bool(bases & kinds - {name}) or name == "Problem"


def codes_are_written_out(tree: Tree) -> list[str]:
    """A problem's code is a literal, or an f-string that begins with one, so that its words can be found."""
    loose = [each.where for each in raised(tree) if each.code is None]
    return [f"{where}: the code is not a literal" for where in loose if where.split(":")[0] not in CARRIES_CODES]


def _family(code: str) -> bool:
    return code.endswith((".", "_"))


def codes_have_words(tree: Tree) -> list[str]:
    """Every code that is raised has words."""
    known = texts(tree)

    def has_words(code: str) -> bool:
        return any(other.startswith(code) for other in known) if _family(code) else code in known

    return [
        f"{each.where}: {each.code} has no words" for each in raised(tree) if each.code and not has_words(each.code)
    ]


def holes_are_filled(tree: Tree) -> list[str]:
    """What a text asks for is given wherever its code is raised."""
    known, found = texts(tree), []
    for each in raised(tree):
        if each.code in known and each.params is not None:
            wanted = _holes(known[each.code]) | _holes(known.get(f"{each.code}.remedy", {}))
            found += [f"{each.where}: {each.code} is not given {{{name}}}" for name in sorted(wanted - each.params)]
    return found


def _holes(text: dict[str, Any]) -> set[str]:
    return {name for words in text.values() for name in HOLE.findall(str(words))}


def both_languages(tree: Tree) -> list[str]:
    """Every text is there in English and Chinese and asks for the same in both; zh may say {reason_zh} for {reason}."""
    found = []
    for code, text in texts(tree).items():
        if set(text) != {"en", "zh"} or not all(isinstance(words, str) and words.strip() for words in text.values()):
            found.append(f"{code}: needs en and zh")
        elif HAN.search(text["en"]) or not HAN.search(text["zh"]):
            found.append(f"{code}: en is not English or zh is not Chinese")
        elif {hole.removesuffix("_zh") for hole in HOLE.findall(text["zh"])} != set(HOLE.findall(text["en"])):
            found.append(f"{code}: en and zh ask for different parameters")
    return found


def one_text_per_code(tree: Tree) -> list[str]:
    """No code has two texts, and no remedy stands without its problem."""
    seen: dict[str, str] = {}
    found = []
    for path in word_files(tree):
        for code in re.findall(r"^([a-z_0-9.]+):", tree.read(path), re.MULTILINE):
            if code in seen:
                found.append(f"{path}: {code} stands in {seen[code]} too")
            seen[code] = path
    orphans = [code for code in seen if code.endswith(".remedy") and code.removesuffix(".remedy") not in seen]
    return found + [f"{seen[code]}: {code} has no problem" for code in orphans]


def no_idle_words(tree: Tree) -> list[str]:
    """Every text is used: its code, or the beginning of it that code completes, stands in the source."""
    written = {
        node.value
        for _, code in tree.python("src/")
        for node in ast.walk(code)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and "." in node.value
    }
    beginnings = tuple(text for text in written if text.endswith((".", "_")) and len(text) < 60)
    codes = [code for code in texts(tree) if not code.endswith(".remedy")]
    return [f"{code}: nothing says this" for code in codes if code not in written and not code.startswith(beginnings)]


RULES: tuple[Rule, ...] = (
    codes_are_written_out, codes_have_words, holes_are_filled, both_languages, one_text_per_code, no_idle_words,
)  # fmt: skip
