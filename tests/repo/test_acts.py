"""What the console calls the entries of the audit log, held against what the server writes into it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
ACT = re.compile(r"[a-z]+\.[a-z_]+")


def calls() -> Iterator[tuple[str, ast.Call, dict[str, int]]]:
    """Every call of the server's code: name of what is called, and where functions that take an `action` take it."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in (ROOT / "src/cityloom").rglob("*.py")]
    places = {"record": 1}
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                names = [arg.arg for arg in node.args.args if arg.arg != "self"]
                if "action" in names and node.name != "record":
                    places[node.name] = names.index("action")
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                yield (
                    node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", ""),
                    node,
                    places,
                )


def written() -> tuple[set[str], set[str]]:
    """What the server writes down as done, and how those begin that it puts together."""
    whole: set[str] = set()
    begun: set[str] = set()
    for name, call, places in calls():
        given = [each.value for each in call.keywords if each.arg == "action"]
        if not given and name in places and len(call.args) > places[name]:
            given = [call.args[places[name]]]
        for expression in given:
            pieces = [node for node in ast.walk(expression) if isinstance(node, ast.JoinedStr)]
            inside = {id(part) for piece in pieces for part in ast.walk(piece)}
            for piece in pieces:
                first = piece.values[0]
                assert isinstance(first, ast.Constant), ast.unparse(expression)
                begun.add(str(first.value))
            for node in ast.walk(expression):
                if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside:
                    whole |= {node.value} if ACT.fullmatch(node.value) else set()
    return whole, begun


def test_the_console_has_words_for_all_that_is_written_into_the_log_and_for_nothing_else() -> None:
    source = (ROOT / "web/src/words/acts.ts").read_text(encoding="utf-8")
    said = re.findall(r'^  "([a-z]+\.[a-z_]+)": \["', source, re.M)
    areas = set(re.findall(r'^  ([a-z]+): \["', source, re.M))
    whole, begun = written()
    assert len(whole) > 60, "the log's words are looked for in the wrong place"
    assert sorted(whole - set(said)) == [], "without words"
    assert [each for each in said if each not in whole and not each.startswith(tuple(begun))] == [], "never written"
    assert [start for start in begun if not any(each.startswith(start) for each in said)] == [], "without words"
    assert sorted({each.partition(".")[0] for each in said} - areas) == [], "areas that nobody can choose"
    assert len(said) == len(set(said))
