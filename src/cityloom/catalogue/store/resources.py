"""Resources, their revisions, claims of items, announcements and followers."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime

import msgspec

from cityloom.catalogue.contracts import ItemSource, Resource, ResourceWish, Revision
from cityloom.kernel.db import Transaction

COLUMNS = "id, organisation AS keeper, code, revision, sequence, grade, record::text AS record, source, changed_at, retired_at"


class ResourceRow(msgspec.Struct, frozen=True):
    """A resource as it stands in the table."""

    id: str
    keeper: str
    code: str
    revision: int
    sequence: int
    grade: int
    record: str
    source: str
    changed_at: datetime
    retired_at: datetime | None

    @property
    def wish(self) -> ResourceWish:
        """Its description."""
        return msgspec.json.decode(self.record, type=ResourceWish)

    @property
    def resource(self) -> Resource:
        """As others see it, without what is announced."""
        return Resource(
            self.id, self.code, self.keeper, self.revision, self.sequence, self.grade, self.wish, self.changed_at,
            self.source, self.retired_at,
        )  # fmt: skip


class NewRevision(msgspec.Struct, frozen=True):
    """What is written when a resource changes."""

    id: str
    keeper: str
    wish: ResourceWish
    code: str
    revision: int
    sequence: int
    grade: int
    digest: str
    breaking: bool
    cause: str
    actor: str
    at: datetime
    source: str = ""
    retired: bool = False

    @property
    def record(self) -> str:
        """Its description as JSON."""
        return msgspec.json.encode(self.wish).decode()


class AnnouncementRow(msgspec.Struct, frozen=True):
    """A change that is to come."""

    resource: str
    organisation: str
    record: str | None
    reason: str
    announced_at: datetime
    effective_on: date
    actor: str


class RevisionRow(msgspec.Struct, frozen=True):
    """The description of one revision."""

    revision: int
    code: str
    grade: int
    record: str


class TakenRow(msgspec.Struct, frozen=True):
    """A claim that somebody has."""

    concept: str
    item: str
    resource: str
    organisation: str


class IdRow(msgspec.Struct, frozen=True):
    """A resource by id and code."""

    id: str
    code: str


def next_sequence(tx: Transaction, count: int = 1) -> int:
    """The last of the next `count` numbers of changes. Whoever asks writes alone until the transaction ends."""
    return tx.scalar(int, "UPDATE catalogue.last_change SET sequence = sequence + %s RETURNING sequence", [count])


def lock(tx: Transaction) -> None:
    """Write alone until the transaction ends."""
    tx.execute("SELECT 1 FROM catalogue.last_change FOR UPDATE")


def last_sequence(tx: Transaction) -> int:
    """The number of the last change."""
    return tx.scalar(int, "SELECT sequence FROM catalogue.last_change")


def next_number(tx: Transaction, category: str) -> int:
    """The next order number in a category."""
    return tx.scalar(
        int,
        """INSERT INTO catalogue.code_counter VALUES (%s, 1)
           ON CONFLICT (category) DO UPDATE SET last = code_counter.last + 1 RETURNING last""",
        [category],
    )


def last_number(tx: Transaction, category: str) -> int:
    """The highest order number in a category that was given out or brought along."""
    return tx.scalar(int, "SELECT coalesce(max(last), 0) FROM catalogue.code_counter WHERE category = %s", [category])


def keep_number(tx: Transaction, category: str, number: int) -> None:
    """Never give out a number that somebody brought along."""
    tx.execute(
        """INSERT INTO catalogue.code_counter VALUES (%s, %s)
           ON CONFLICT (category) DO UPDATE SET last = greatest(code_counter.last, excluded.last)""",
        [category, number],
    )


def resource(tx: Transaction, id: str) -> ResourceRow | None:
    """The resource in force, or retired."""
    return tx.first(ResourceRow, f"SELECT {COLUMNS} FROM catalogue.resource WHERE id = %s", [id])


def holder_of_code(tx: Transaction, code: str) -> IdRow | None:
    """The resource that has a code."""
    return tx.first(IdRow, "SELECT id, code FROM catalogue.resource WHERE code = %s", [code])


def holders_of_codes(tx: Transaction, codes: Sequence[str]) -> list[IdRow]:
    """The resources that have these codes, in force or not."""
    return tx.all(IdRow, "SELECT id, code FROM catalogue.resource WHERE code = ANY(%s) ORDER BY id", [list(codes)])


def several(tx: Transaction, ids: Sequence[str]) -> list[ResourceRow]:
    """Those resources that are there, in force or not."""
    return tx.all(ResourceRow, f"SELECT {COLUMNS} FROM catalogue.resource WHERE id = ANY(%s) ORDER BY id", [list(ids)])


def in_force(tx: Transaction, keeper: str = "", after: str = "", limit: int = 2000) -> list[ResourceRow]:
    """Resources in force by id, of one keeper or all."""
    return tx.all(
        ResourceRow,
        f"""SELECT {COLUMNS} FROM catalogue.resource
            WHERE retired_at IS NULL AND id > %(after)s AND (%(keeper)s = '' OR organisation = %(keeper)s)
            ORDER BY id LIMIT %(limit)s""",
        {"after": after, "keeper": keeper, "limit": limit},
    )


def every(tx: Transaction, keeper: str = "") -> Iterator[ResourceRow]:
    """All resources in force, page by page."""
    after = ""
    while page := in_force(tx, keeper, after):
        yield from page
        after = page[-1].id


def as_of(tx: Transaction, until: datetime, keeper: str = "") -> list[ResourceRow]:
    """The resources in force just before a moment, as they were described then; of one keeper or all."""
    return tx.all(
        ResourceRow,
        """SELECT * FROM (
             SELECT DISTINCT ON (v.resource) v.resource AS id, v.organisation AS keeper, v.code, v.revision, v.sequence, v.grade,
               v.record::text AS record, r.source, v.at AS changed_at,
               CASE WHEN v.cause = 'retired' THEN v.at WHEN v.revision = r.revision THEN r.retired_at END AS retired_at
             FROM catalogue.resource_revision v JOIN catalogue.resource r ON r.id = v.resource
             WHERE v.at < %(until)s ORDER BY v.resource, v.revision DESC
           ) AS last WHERE retired_at IS NULL AND %(keeper)s IN ('', keeper) ORDER BY id""",
        {"until": until, "keeper": keeper},
    )


def derived(tx: Transaction, id: str) -> list[ResourceRow]:
    """The resources in force that say they are derived from this one."""
    return tx.all(
        ResourceRow,
        f"""SELECT {COLUMNS} FROM catalogue.resource
            WHERE retired_at IS NULL AND record->'derived_from' ? %s ORDER BY id""",
        [id],
    )


def of_datasets(tx: Transaction) -> list[ResourceRow]:
    """The resources in force that packs declare."""
    return tx.all(
        ResourceRow,
        f"SELECT {COLUMNS} FROM catalogue.resource WHERE dataset IS NOT NULL AND retired_at IS NULL ORDER BY id",
    )


def put(tx: Transaction, *news: NewRevision) -> None:
    """Bring revisions into force, and keep them."""
    tx.many(
        """INSERT INTO catalogue.resource
             (id, organisation, code, revision, sequence, record, digest, grade, dataset, source, changed_at, retired_at)
           VALUES (%s, %s, %s, %s, %s, %s::jsonb, %s, %s, %s, %s, %s, %s)
           ON CONFLICT (id) DO UPDATE SET code = excluded.code, revision = excluded.revision,
             sequence = excluded.sequence, record = excluded.record, digest = excluded.digest, grade = excluded.grade,
             dataset = excluded.dataset, changed_at = excluded.changed_at, retired_at = excluded.retired_at,
             organisation = excluded.organisation""",
        [
            (
                new.id, new.keeper, new.code, new.revision, new.sequence, new.record, new.digest, new.grade,
                new.wish.dataset or None, new.source, new.at, new.at if new.retired else None,
            )
            for new in news
        ],
    )  # fmt: skip
    tx.many(
        """INSERT INTO catalogue.resource_revision
             (sequence, resource, revision, organisation, code, record, digest, grade, breaking, cause, actor, at)
           VALUES (%s, %s, %s, %s, %s, %s::jsonb, %s, %s, %s, %s, %s, %s)""",
        [
            (
                new.sequence, new.id, new.revision, new.keeper, new.code, new.record, new.digest, new.grade,
                new.breaking, new.cause, new.actor, new.at,
            )
            for new in news
        ],
    )  # fmt: skip


def revisions(tx: Transaction, id: str) -> list[Revision]:
    """All revisions, newest first."""
    return tx.all(
        Revision,
        """SELECT revision, sequence, digest, grade, breaking, cause, actor, at
           FROM catalogue.resource_revision WHERE resource = %s ORDER BY revision DESC""",
        [id],
    )


def revision(tx: Transaction, id: str, number: int) -> RevisionRow | None:
    """One revision's description."""
    return tx.first(
        RevisionRow,
        """SELECT revision, code, grade, record::text AS record FROM catalogue.resource_revision
           WHERE resource = %s AND revision = %s""",
        [id, number],
    )


def taken(tx: Transaction, subject: str, concepts: Sequence[str], besides: str) -> list[TakenRow]:
    """Claims on these concepts that other resources have."""
    return tx.all(
        TakenRow,
        """SELECT concept, item, resource, organisation FROM catalogue.item_source
           WHERE subject = %s AND concept = ANY(%s) AND resource <> %s ORDER BY concept""",
        [subject, list(concepts), besides],
    )


def set_claims(tx: Transaction, resource: str, keeper: str, subject: str, claims: Sequence[tuple[str, str]]) -> None:
    """The claims of a resource from now on: concept and item."""
    tx.execute("DELETE FROM catalogue.item_source WHERE resource = %s", [resource])
    tx.many(
        """INSERT INTO catalogue.item_source (subject, concept, resource, organisation, item)
           VALUES (%s, %s, %s, %s, %s)""",
        [(subject, concept, resource, keeper, item) for concept, item in claims],
    )


def sources(tx: Transaction, subject: str = "", concepts: Sequence[str] | None = None) -> list[ItemSource]:
    """Who answers for which item; of one subject, of some concepts, or all."""
    return tx.all(
        ItemSource,
        """SELECT subject, concept, item, resource, organisation AS keeper FROM catalogue.item_source
           WHERE (%(subject)s = '' OR subject = %(subject)s)
             AND (%(concepts)s::text[] IS NULL OR concept = ANY(%(concepts)s)) ORDER BY subject, concept""",
        {"subject": subject, "concepts": None if concepts is None else list(concepts)},
    )


def announce(tx: Transaction, row: AnnouncementRow) -> None:
    """Keep what is to come; it takes the place of an earlier announcement of the resource."""
    tx.execute(
        """INSERT INTO catalogue.announcement
             (resource, organisation, record, reason, announced_at, effective_on, actor)
           VALUES (%s, %s, %s::jsonb, %s, %s, %s, %s)
           ON CONFLICT (resource) DO UPDATE SET record = excluded.record, reason = excluded.reason,
             announced_at = excluded.announced_at, effective_on = excluded.effective_on, actor = excluded.actor""",
        [row.resource, row.organisation, row.record, row.reason, row.announced_at, row.effective_on, row.actor],
    )


ANNOUNCED = "resource, organisation, record::text AS record, reason, announced_at, effective_on, actor"


def announcement(tx: Transaction, resource: str) -> AnnouncementRow | None:
    """What is to come for a resource."""
    return tx.first(AnnouncementRow, f"SELECT {ANNOUNCED} FROM catalogue.announcement WHERE resource = %s", [resource])


def drop_announcement(tx: Transaction, resource: str) -> int:
    """It has come, or was taken back."""
    return tx.execute("DELETE FROM catalogue.announcement WHERE resource = %s", [resource])


def come(tx: Transaction, today: date) -> list[AnnouncementRow]:
    """Announcements whose day has come."""
    return tx.all(
        AnnouncementRow,
        f"SELECT {ANNOUNCED} FROM catalogue.announcement WHERE effective_on <= %s ORDER BY effective_on, resource",
        [today],
    )


def followed(tx: Transaction, organisation: str) -> list[AnnouncementRow]:
    """Announcements of what an organisation follows."""
    return tx.all(
        AnnouncementRow,
        f"""SELECT {ANNOUNCED.replace("resource,", "a.resource,").replace("organisation,", "a.organisation,")}
            FROM catalogue.announcement a JOIN catalogue.follower f ON f.resource = a.resource
            WHERE f.organisation = %s ORDER BY effective_on, a.resource""",
        [organisation],
    )


def follow(tx: Transaction, resource: str, organisation: str, at: datetime) -> int:
    """The organisation hears of what is to come for the resource."""
    return tx.execute(
        "INSERT INTO catalogue.follower (resource, organisation, since) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
        [resource, organisation, at],
    )


def unfollow(tx: Transaction, resource: str, organisation: str) -> int:
    """It hears no more."""
    return tx.execute(
        "DELETE FROM catalogue.follower WHERE resource = %s AND organisation = %s", [resource, organisation]
    )


def followers(tx: Transaction, ids: Sequence[str]) -> list[str]:
    """The organisations that follow any of the resources."""
    return tx.values(
        str,
        "SELECT DISTINCT organisation FROM catalogue.follower WHERE resource = ANY(%s) ORDER BY organisation",
        [list(ids)],
    )


def changed_since(tx: Transaction, sequence: int, limit: int) -> list[ResourceRow]:
    """The resources of this catalogue whose newest change comes after `sequence`, by sequence."""
    return tx.all(
        ResourceRow,
        f"SELECT {COLUMNS} FROM catalogue.resource WHERE sequence > %s AND source = '' ORDER BY sequence LIMIT %s",
        [sequence, limit],
    )


class PartnerRow(msgspec.Struct, frozen=True):
    """A catalogue that reports here."""

    catalogue: str
    organisation: str
    last_sequence: int
    heard_at: datetime


def partner(tx: Transaction, catalogue: str) -> PartnerRow | None:
    """How far a catalogue's reports have got; only its own organisation and the platform see it."""
    return tx.first(PartnerRow, "SELECT * FROM catalogue.partner WHERE catalogue = %s FOR UPDATE", [catalogue])


def partners(tx: Transaction) -> list[PartnerRow]:
    """The catalogues that report here, as far as the scope may see them."""
    return tx.all(PartnerRow, "SELECT * FROM catalogue.partner ORDER BY catalogue")


def heard(tx: Transaction, row: PartnerRow) -> None:
    """The catalogue's reports have got so far."""
    tx.execute(
        """INSERT INTO catalogue.partner VALUES (%s, %s, %s, %s)
           ON CONFLICT (catalogue) DO UPDATE SET last_sequence = excluded.last_sequence, heard_at = excluded.heard_at""",
        [row.catalogue, row.organisation, row.last_sequence, row.heard_at],
    )


def with_derived(tx: Transaction, ids: Sequence[str]) -> list[str]:
    """Those of the resources that others in force are derived from."""
    return tx.values(
        str,
        """SELECT DISTINCT source FROM catalogue.resource, jsonb_array_elements_text(record->'derived_from') source
           WHERE retired_at IS NULL AND record ? 'derived_from' AND source = ANY(%s)""",
        [list(ids)],
    )


def meet(tx: Transaction, row: PartnerRow) -> int:
    """Keep a catalogue that reports for the first time; 0 where an organisation has it that the scope may not see."""
    return tx.execute(
        "INSERT INTO catalogue.partner VALUES (%s, %s, %s, %s) ON CONFLICT (catalogue) DO NOTHING",
        [row.catalogue, row.organisation, row.last_sequence, row.heard_at],
    )


def reported_by_another(tx: Transaction, catalogue: str, organisation: str) -> bool:
    """Whether another organisation has reported for the catalogue."""
    return tx.scalar(
        bool,
        "SELECT EXISTS (SELECT FROM catalogue.resource WHERE source = %s AND organisation <> %s)",
        [catalogue, organisation],
    )


def shared(tx: Transaction, keeper: str, after: str, limit: int) -> list[ResourceRow]:
    """Resources in force that are shared, by id."""
    return tx.all(
        ResourceRow,
        f"""SELECT {COLUMNS} FROM catalogue.resource
            WHERE retired_at IS NULL AND record->>'sharing' <> 'refused' AND id > %(after)s
              AND (%(keeper)s = '' OR organisation = %(keeper)s) ORDER BY id LIMIT %(limit)s""",
        {"after": after, "keeper": keeper, "limit": limit},
    )


def of_subject(tx: Transaction, subject: str) -> list[ResourceRow]:
    """This catalogue's own resources in force that are about a subject."""
    return tx.all(
        ResourceRow,
        f"""SELECT {COLUMNS} FROM catalogue.resource
            WHERE retired_at IS NULL AND source = '' AND record->>'subject' = %s ORDER BY id""",
        [subject],
    )
