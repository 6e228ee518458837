"""The current state out of change rows by hand, a pack's model loaded from its file, and the check where Spark cannot run."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pyarrow as pa
import pytest

from cityloom.bench import scale, spark
from cityloom.kernel import packs
from cityloom.kernel.errors import NotFound
from planning.run import PACKS, rows, table

CHANGES = pa.table(
    {
        "_sequence": [1, 2, 3, 4, 5, 6, 7],
        "_op": ["insert", "insert", "update", "delete", "insert", "insert", "delete"],
        "key": ["a", "b", "a", "b", "b", "c", "c"],
        "value": [1, 2, 3, None, 5, 6, None],
    }
)


def test_the_state_is_the_last_row_of_each_key_unless_it_deleted() -> None:
    """a was updated to 3; b was deleted and came again with 5; c was deleted. The order of rows in files means nothing."""
    mixed = CHANGES.take([6, 2, 4, 0, 5, 3, 1])
    found = rows(scale.current(table("changes", mixed), ("key",)), {"changes": mixed})
    assert sorted((row["key"], row["value"]) for row in found) == [("a", 3), ("b", 5)]


def test_a_model_is_loaded_once_and_a_missing_one_is_named() -> None:
    pack = packs.available([PACKS])["people"]
    assert packs.model(pack, "population") is packs.model(pack, "population")
    with pytest.raises(NotFound) as refused:
        packs.model(pack, "weather")
    assert refused.value.code == "kernel.model_missing"
    assert "population" in str(refused.value.params["known"])


def test_a_model_that_breaks_leaves_nothing_half_loaded(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    file = tmp_path / "models" / "broken.py"
    file.write_text("HALF = 1\nraise ValueError('on purpose')\n")
    manifest = msgspec.structs.replace(packs.available([PACKS])["people"].manifest, name="broken_pack")
    pack = packs.Pack(manifest, tmp_path)
    with pytest.raises(ValueError, match="on purpose"):
        packs.model(pack, "broken")
    assert "cityloom_packs.broken_pack.broken" not in sys.modules
    file.write_text("WHOLE = 1\n")
    assert packs.model(pack, "broken").WHOLE == 1


def check(*options: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "cityloom", "scale", "check", "--json", *options]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **environment})


def test_without_java_it_says_so_and_proves_nothing(tmp_path: Path) -> None:
    pytest.importorskip("pyspark", reason="the extra `spark` is not installed")
    without = {name: value for name, value in os.environ.items() if name != "JAVA_HOME"} | {"PATH": str(tmp_path)}
    command = [sys.executable, "-m", "cityloom", "scale", "check", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=without)
    assert done.returncode == 3, done.stderr
    assert done.stdout == ""
    assert "Java is not installed" in done.stderr


def test_without_pyspark_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyspark", None)
    with pytest.raises(spark.Missing, match="PySpark is not installed"), spark.opened():
        pass


@pytest.mark.full
def test_two_executors_and_duckdb_give_the_same_answers() -> None:
    pytest.importorskip("pyspark", reason="the extra `spark` is not installed")
    if shutil.which("java") is None:
        pytest.skip("Java is not installed")
    done = check()
    found = [msgspec.json.decode(line, type=scale.Compared) for line in done.stdout.splitlines()]
    assert done.returncode == 0, [each for each in found if not each.equal or each.lake_equal is False]
    assert {each.item.split(",")[0].split(" of ")[0] for each in found} == {
        "state", "population", "health centres", "school pressure",
    }  # fmt: skip
    assert all(each.rows for each in found)
