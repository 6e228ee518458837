"""A small audited city for the tests of the audit log."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import psycopg

from cityloom.kernel.audit import api, keys
from cityloom.kernel.audit.entry import Entry, Finding, Report, SignedHead
from cityloom.kernel.db import PLATFORM, Database

NOW = datetime(2026, 3, 1, 8, tzinfo=UTC)


def entries(count: int, first: int = 0, organisation: str = "psb", actor: str = "li") -> list[Entry]:
    """Entries that differ in time, subject and facts."""
    return [
        Entry(
            time=NOW + timedelta(seconds=number),
            actor=actor,
            organisation=organisation,
            action="registers.person_read",
            subject=f"person:{number}",
            purpose="检查",
            request=f"r{number}",
            facts={"fields": ("name", "sex"), "rows": number},
        )
        for number in range(first, first + count)
    ]


class Logged(msgspec.Struct, frozen=True):
    """A database with a log, the folder of its signed files, and how a superuser reaches the database."""

    db: Database
    admin_url: str
    folder: Path
    signer: keys.Signer

    def append(self, count: int, first: int = 0) -> list[int]:
        with self.db.begin(PLATFORM) as tx:
            return api.append(tx, entries(count, first))

    def seal(self, at: datetime = NOW) -> SignedHead | None:
        return api.seal(self.db, self.signer, self.folder, at)

    def grow(self, *counts: int) -> None:
        """Append and seal, once for each count."""
        for count in counts:
            self.append(count, self.size())
            self.seal()

    def size(self) -> int:
        return int(self.superuser("SELECT size FROM kernel.audit_log")[0][0])

    def check(self) -> list[tuple[str, int, int]]:
        return short(api.check(self.db, self.folder))

    def export(self, path: Path) -> Path:
        api.export(self.db, self.folder, path, NOW)
        return path

    def superuser(self, *statements: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run statements as the database's administrator; the rows of the last one."""
        with psycopg.connect(self.admin_url) as connection:
            for statement in statements:
                cursor = connection.execute(statement.encode(), params or None)
            return cursor.fetchall() if cursor.description else []


def short(report: Report) -> list[tuple[str, int, int]]:
    """The findings of a report without their details."""
    return [named(finding) for finding in report.findings]


def named(finding: Finding) -> tuple[str, int, int]:
    return finding.code.removeprefix("audit."), finding.first, finding.last
