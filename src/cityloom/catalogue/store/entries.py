"""Elements, code lists, declarations of datasets and lineage."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from cityloom.catalogue.contracts import Code, CodeList, Element, Entry, Line, Status
from cityloom.kernel.db import Transaction
from cityloom.kernel.words import Text


class Revision(msgspec.Struct, frozen=True):
    """The newest revision of an entry."""

    revision: int
    digest: str
    retired: bool


class EntryRow(msgspec.Struct, frozen=True):
    """One revision of an entry as it stands in the table."""

    name: str
    revision: int
    pack: str
    keeper: str
    title: str
    grade: int
    spec: str
    installed_at: datetime


def put_element(tx: Transaction, name: str, element: Element, at: datetime) -> None:
    """Keep this version of a data element; its status may change, its meaning under one version may be mended."""
    tx.execute(
        """INSERT INTO catalogue.element (name, version, status, spec, installed_at) VALUES (%s, %s, %s, %s::jsonb, %s)
           ON CONFLICT (name, version) DO UPDATE SET status = excluded.status, spec = excluded.spec
           WHERE (element.status, element.spec) IS DISTINCT FROM (excluded.status, excluded.spec)""",
        [name, element.version, element.status, msgspec.json.encode(element).decode(), at],
    )


def put_codes(tx: Transaction, codes: CodeList, digest: str, at: datetime) -> None:
    """Keep this version of a code list."""
    title = msgspec.json.encode(codes.title).decode()
    tx.execute(
        """INSERT INTO catalogue.code_list (name, version, status, standard, title, codes, digest, installed_at)
           VALUES (%s, %s, %s, %s, %s::jsonb, %s::jsonb, %s, %s)
           ON CONFLICT (name, version) DO UPDATE SET status = excluded.status, standard = excluded.standard,
             title = excluded.title, codes = excluded.codes, digest = excluded.digest
           WHERE code_list.digest <> excluded.digest""",
        [
            codes.name,
            codes.version,
            codes.status,
            codes.standard,
            title,
            msgspec.json.encode(codes.codes).decode(),
            digest,
            at,
        ],
    )


class ElementRow(msgspec.Struct, frozen=True):
    """The newest version of a data element."""

    name: str
    spec: str


class CodesRow(msgspec.Struct, frozen=True):
    """The newest version of a code list."""

    name: str
    version: str
    status: Status
    standard: str
    title: str
    codes: str


def elements(tx: Transaction) -> dict[str, Element]:
    """The newest version of every data element; it may be withdrawn."""
    rows = tx.all(
        ElementRow,
        """SELECT DISTINCT ON (name) name, spec::text AS spec FROM catalogue.element
           ORDER BY name, installed_at DESC, version DESC""",
    )
    return {row.name: msgspec.json.decode(row.spec, type=Element) for row in rows}


def code_lists(tx: Transaction, names: Sequence[str]) -> dict[str, CodeList]:
    """The newest version of each of these code lists."""
    rows = tx.all(
        CodesRow,
        """SELECT DISTINCT ON (name) name, version, status, standard, title::text AS title, codes::text AS codes
           FROM catalogue.code_list WHERE name = ANY(%s) ORDER BY name, installed_at DESC, version DESC""",
        [list(names)],
    )
    return {row.name: _codes(row) for row in rows}


def _codes(row: CodesRow) -> CodeList:
    title, codes = msgspec.json.decode(row.title, type=Text), msgspec.json.decode(row.codes, type=tuple[Code, ...])
    return CodeList(row.name, title, codes, row.standard, row.version, None, row.status)


def newest(tx: Transaction, name: str) -> Revision | None:
    """The newest revision of a dataset's entry."""
    return tx.first(
        Revision,
        """SELECT revision, digest, retired_at IS NOT NULL AS retired FROM catalogue.entry
           WHERE name = %s ORDER BY revision DESC LIMIT 1""",
        [name],
    )


def add_entry(tx: Transaction, entry: Entry, revision: int, digest: str, at: datetime) -> None:
    """Keep a new revision of an entry; earlier ones stay."""
    title = msgspec.json.encode(entry.title).decode()
    tx.execute(
        """INSERT INTO catalogue.entry (name, revision, pack, keeper, title, grade, spec, digest, installed_at)
           VALUES (%s, %s, %s, %s, %s::jsonb, %s, %s::jsonb, %s, %s)""",
        [entry.name, revision, entry.pack, entry.keeper, title, entry.grade, entry.spec.decode(), digest, at],
    )
    tx.execute(
        "UPDATE catalogue.entry SET retired_at = %s WHERE name = %s AND revision < %s AND retired_at IS NULL",
        [at, entry.name, revision],
    )


def set_lineage(tx: Transaction, owner: str, lines: list[Line]) -> None:
    """Replace the lineage that `owner` declared."""
    tx.execute("DELETE FROM catalogue.lineage WHERE owner = %s", [owner])
    tx.many(
        "INSERT INTO catalogue.lineage (source, target, kind, owner) VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING",
        [(line.source, line.target, line.kind, owner) for line in lines],
    )


def lineage(tx: Transaction, name: str) -> list[Line]:
    """Every line that begins or ends at `name` or at one of its fields."""
    return tx.all(
        Line,
        """SELECT source, target, kind FROM catalogue.lineage
           WHERE source = %(name)s OR target = %(name)s OR starts_with(source, %(name)s || '.') OR starts_with(target, %(name)s || '.')
           ORDER BY source, target, kind""",
        {"name": name},
    )


def entries(tx: Transaction) -> list[EntryRow]:
    """The entries in force, by name."""
    return tx.all(
        EntryRow,
        """SELECT name, revision, pack, keeper, title::text AS title, grade, spec::text AS spec, installed_at
           FROM catalogue.entry WHERE retired_at IS NULL ORDER BY name""",
    )


def revisions(tx: Transaction, name: str) -> list[EntryRow]:
    """All revisions of one entry, newest first."""
    return tx.all(
        EntryRow,
        """SELECT name, revision, pack, keeper, title::text AS title, grade, spec::text AS spec, installed_at
           FROM catalogue.entry WHERE name = %s ORDER BY revision DESC""",
        [name],
    )


def lines_at(tx: Transaction, names: Sequence[str], upward: bool, limit: int) -> list[Line]:
    """Lines that join datasets or resources and end (or begin) at these; what they are described by is left out."""
    near = "target" if upward else "source"
    return tx.all(
        Line,
        f"""SELECT source, target, kind FROM catalogue.lineage
            WHERE kind IN ('references', 'derives', 'fed_by') AND split_part({near}, '.', 1) = ANY(%s)
            ORDER BY source, target, kind LIMIT %s""",
        [list(names), limit],
    )
