"""The town of sharing with a bureau that rules on disputes, and what the worker does by itself."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import psycopg

from cityloom import app
from cityloom.kernel.jobs import Timers, platform_context
from cityloom.quality import jobs
from sharing import sharing_kit
from sharing.sharing_kit import ORGANISATIONS, RIGHTS, Town

BUREAU = "- {code: bureau, title: {en: Data Bureau, zh: 数据局}, kind: platform}\n"
QUALITY = (
    "quality.dispute", "quality.read", "quality.accept", "quality.reject", "quality.withdraw", "quality.contest",
    "quality.uphold", "quality.dismiss", "quality.read_scores", "quality.measure",
)  # fmt: skip


def write_pack(folder: Path, more: Mapping[str, str] = {}) -> Path:
    """The pack of the town with its bureau, and more files by their path."""
    (folder / "small/quality/flows").mkdir(parents=True)
    return sharing_kit.write_pack(folder, {"identity/organisations.yaml": ORGANISATIONS + BUREAU, **more})


class Door(sharing_kit.Door):
    """The town's HTTP door as one organisation, with the doors of quality."""

    rights = (*RIGHTS, *QUALITY)

    def dispute(self, id: str = "t1", purpose: str = "rent_aid", **changed: Any) -> Any:
        headers = {**self.headers, "x-purpose": purpose}
        return self.client.put(f"/api/quality/tickets/{id}", json=ticket(**changed), headers=headers)

    def quality(self, path: str, **query: Any) -> Any:
        return self.client.get(f"/api/quality/{path}", params=query, headers=self.headers)

    def ticket(self, id: str = "t1") -> dict[str, Any]:
        answer = self.quality(f"tickets/{id}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def decide(self, move: str, version: int = 1, id: str = "t1", **more: Any) -> Any:
        body = {"move": move, "version": version, "key": f"{move}{version}", **more}
        return self.client.post(f"/api/quality/tickets/{id}/moves", json=body, headers=self.headers)

    def told(self, dataset: str = "") -> list[tuple[str, Any, bool]]:
        """What it was told was corrected: field, key, and whether the record was removed."""
        found = self.quality("corrections", dataset=dataset).json()
        return [(each["field"], each["key"], each["removed"]) for each in found]


def ticket(**changed: Any) -> dict[str, Any]:
    """Bert's name is disputed; a value of None leaves a member out."""
    whole = {
        "dataset": "resident", "key": ["a2"], "field": "name", "value": "Bert Birch", "expected": "Bert Beech",
        "evidence": "his identity card", "grant": "r1", **changed,
    }  # fmt: skip
    return {name: value for name, value in whole.items() if value is not None}


class Place(Town, frozen=True):
    """The town with its bureau."""

    bureau: Door

    def grant(self, id: str = "r1", asker: sharing_kit.Door | None = None, **changed: Any) -> str:
        """A grant on all rows, unless it says otherwise."""
        terms = {"rows": "", **changed.pop("terms", {})}
        return super().grant(id, asker, terms=terms, **changed)

    def follow(self) -> None:
        """What the worker does when data has changed, in a process that knows nothing of before."""
        jobs.follow(platform_context(self.parts, "test"))

    def tick(self) -> None:
        """What the worker does about deadlines."""
        app.tell_deadlines(self.platform)
        app.recount_deadlines(self.platform)
        listeners = [listener for module in app.MODULES for listener in module.listeners]
        timers = Timers(self.parts, {}, listeners)
        for listener in listeners:
            timers.hand_out(listener)
        jobs.close(self.platform)

    def kept(self) -> dict[str, list[Any]]:
        """All rows of quality, of sharing and of flows: what a refused act must leave as it was."""
        tables = (
            "quality.ticket",
            "quality.notice",
            "quality.correction",
            "quality.score",
            "sharing.use",
            "kernel.flow_move",
        )
        with psycopg.connect(self.admin_url) as connection:
            return {
                table: connection.execute(f"SELECT t::text FROM {table} t ORDER BY 1".encode()).fetchall()
                for table in tables
            }

    def audit_text(self) -> str:
        """The whole audit log, to look for what must not be in it."""
        with psycopg.connect(self.admin_url) as connection:
            rows = connection.execute("SELECT body FROM kernel.audit_entry ORDER BY position").fetchall()
        return "\n".join(row[0] for row in rows)


def restarted(place: Place) -> Place:
    """The same city as processes that were just started see it."""
    parts = msgspec.structs.replace(app.open_parts(place.parts.settings), clock=place.clock)
    return msgspec.structs.replace(place, parts=parts)
