"""A Spark cluster for `scale check`: the one named, or one of two executors on this machine."""

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

LOCAL = "local-cluster[2,1,1024]"
"""Two executors in processes of their own, of one core and 1 GiB."""


class Missing(Exception):
    """Spark cannot run here; the text says what is missing."""


class Spark:
    """A session of Spark SQL over Parquet files."""

    def __init__(self, session: Any) -> None:
        self._session = session

    def show(self, name: str, files: Sequence[str]) -> None:
        """Make the files a view of that name."""
        self._session.read.parquet(*files).createOrReplaceTempView(name)

    def run(self, query: str) -> pa.Table:
        """What the query comes to."""
        found: pa.Table = self._session.sql(query).toArrow()
        return found

    @property
    def executors(self) -> int:
        """How many executors there are, the driver not counted."""
        return int(self._session.sparkContext._jsc.sc().getExecutorMemoryStatus().size()) - 1


@contextmanager
def opened(master: str = LOCAL) -> Iterator[Spark]:
    """A session for as long as the block lasts. Raises Missing without PySpark or Java."""
    try:
        import pyspark
        from pyspark.sql import SparkSession
    except ImportError as error:
        raise Missing(
            "PySpark is not installed; it comes with the extra `spark`: pip install 'cityloom[spark]'"
        ) from error
    if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
        raise Missing("Java is not installed; Debian has it as openjdk-17-jre-headless")
    with tempfile.TemporaryDirectory(prefix="cityloom-spark-") as folder:
        local = master.startswith("local")
        given = {
            "SPARK_HOME": str(Path(pyspark.__file__).parent),
            "SPARK_WORKER_DIR": folder,
            "SPARK_LOCAL_IP": "127.0.0.1",
        }
        with _environment(given if local else {}):
            builder = SparkSession.builder.master(master).appName("cityloom scale check")  # type: ignore[attr-defined,unused-ignore]
            for name, value in _settings(folder, local).items():
                builder = builder.config(name, value)
            session = builder.getOrCreate()
            try:
                yield Spark(session)
            finally:
                session.stop()


def _settings(folder: str, local: bool) -> dict[str, str]:
    common = {
        "spark.ui.enabled": "false",
        "spark.log.level": "OFF",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.warehouse.dir": folder,
    }
    return common | ({"spark.sql.shuffle.partitions": "4", "spark.local.dir": folder} if local else {})


@contextmanager
def _environment(given: Mapping[str, str]) -> Iterator[None]:
    """The environment that the processes of Spark are started with; what stands there already goes first."""
    added = {name: value for name, value in given.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)
