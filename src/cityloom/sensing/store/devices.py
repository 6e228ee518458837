"""Devices: rows of what they are, their numbers, their streams, their signs and their log."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from cityloom.kernel import sql
from cityloom.kernel.db import Transaction
from cityloom.sensing.contracts.devices import Device, DeviceFilter, Known, Line, Number, Signs, Traits

PLAIN = (
    "name", "station", "maker", "model", "serial", "firmware", "version", "address", "district", "longitude", "latitude",
    "groups",
)  # fmt: skip


class Row(msgspec.Struct, frozen=True):
    """A device without what stands in tables of their own."""

    id: int
    keeper: str
    name: str
    station: str
    thing_id: int | None
    state: str
    reason: str
    since: datetime
    decided_by: str
    maker: str
    model: str
    serial: str
    firmware: str
    version: str
    address: str
    district: str
    longitude: float | None
    latitude: float | None
    groups: list[str]
    traits: dict[str, object]
    made: datetime


ROW = ", ".join(f"d.{name}" for name in Row.__struct_fields__)


class _NumberRow(msgspec.Struct, frozen=True):
    device_id: int
    protocol: str
    number: str
    secret: bool
    issued: datetime | None


class _SignsRow(msgspec.Struct, frozen=True):
    device_id: int
    health: str
    health_since: datetime
    causes: list[str]
    first_seen: datetime
    last_seen: datetime
    frames: int
    readings: int
    repeated: int
    undeclared: int


class Numbered(msgspec.Struct, frozen=True):
    """Whose a number is."""

    device: int
    digest: str | None
    turns: int


class _KnownRow(msgspec.Struct, frozen=True):
    id: int
    keeper: str
    state: str
    digest: str | None
    traits: dict[str, object]
    turns: int
    protocol: str
    number: str

    def known(self) -> Known:
        return Known(self.id, self.keeper, self.state, self.digest, traits(self.traits), self.turns)


def traits(found: Mapping[str, object]) -> Traits:
    """As they were kept."""
    return msgspec.convert(found, Traits)


def insert(tx: Transaction, values: Mapping[str, object], said: Traits) -> int:
    """A new device; its id."""
    whole = {**values, "traits": msgspec.json.encode(said).decode()}
    names = ", ".join(sql.name(name) for name in whole)
    marks = ", ".join(f"%({name})s" for name in whole)
    return tx.scalar(int, f"INSERT INTO sensing.devices ({names}) VALUES ({marks}) RETURNING id", whole)


def update(
    tx: Transaction, id: int, values: Mapping[str, object], changed: datetime, said: Traits | None = None
) -> None:
    """Write other values; whoever remembers devices looks at `changed`."""
    whole: dict[str, object] = {**values, "changed": changed}
    if said is not None:
        whole["traits"] = msgspec.json.encode(said).decode()
    pairs = ", ".join(f"{sql.name(name)} = %({name})s" for name in whole)
    tx.execute(f"UPDATE sensing.devices SET {pairs} WHERE id = %(own_id)s", {**whole, "own_id": id})


def locked(tx: Transaction, id: int) -> Row | None:
    """A device that nobody else changes until the transaction ends."""
    return tx.first(Row, f"SELECT {ROW} FROM sensing.devices d WHERE d.id = %s FOR UPDATE", [id])


def find(tx: Transaction, wish: DeviceFilter, after: int, most: int) -> list[Device]:
    """Devices after that id which the scope sees, in the order of their ids."""
    rows = tx.all(
        Row,
        f"""SELECT {ROW} FROM sensing.devices d LEFT JOIN sensing.device_signs s ON s.device_id = d.id
            WHERE d.id > %(after)s AND (%(state)s = '' OR d.state = %(state)s)
              AND (%(station)s = '' OR d.station = %(station)s) AND (%(district)s = '' OR d.district = %(district)s)
              AND (%(group)s = '' OR %(group)s = ANY(d.groups))
              AND (%(health)s = '' OR COALESCE(s.health, 'unheard') = %(health)s)
              AND (%(protocol)s || %(number)s = '' OR EXISTS (SELECT FROM sensing.device_numbers n
                WHERE n.device_id = d.id AND (%(protocol)s = '' OR n.protocol = %(protocol)s)
                  AND (%(number)s = '' OR n.number = %(number)s)))
            ORDER BY d.id LIMIT %(most)s""",
        {**msgspec.structs.asdict(wish), "after": after, "most": most},
    )
    return _whole(tx, rows)


def one(tx: Transaction, id: int) -> Device | None:
    """A device that the scope sees."""
    row = tx.first(Row, f"SELECT {ROW} FROM sensing.devices d WHERE d.id = %s", [id])
    return _whole(tx, [row])[0] if row else None


def _whole(tx: Transaction, rows: Sequence[Row]) -> list[Device]:
    ids = [each.id for each in rows]
    numbers: dict[int, list[Number]] = {}
    for each in tx.all(
        _NumberRow,
        """SELECT device_id, protocol, number, digest IS NOT NULL AS secret, issued FROM sensing.device_numbers
           WHERE device_id = ANY(%s) ORDER BY protocol, number""",
        [ids],
    ):
        numbers.setdefault(each.device_id, []).append(Number(each.protocol, each.number, each.secret, each.issued))
    signs = {each.device_id: _signs(each) for each in tx.all(
        _SignsRow,
        f"SELECT {', '.join(_SignsRow.__struct_fields__)} FROM sensing.device_signs WHERE device_id = ANY(%s)",
        [ids],
    )}  # fmt: skip
    return [_device(row, tuple(numbers.get(row.id, ())), signs.get(row.id, Signs())) for row in rows]


def _signs(row: _SignsRow) -> Signs:
    values = msgspec.structs.asdict(row)
    del values["device_id"]
    return Signs(**{**values, "causes": tuple(row.causes)})


def _device(row: Row, numbers: tuple[Number, ...], signs: Signs) -> Device:
    values = msgspec.structs.asdict(row)
    values["thing"] = values.pop("thing_id")
    whole = {**values, "groups": tuple(row.groups), "traits": traits(row.traits), "numbers": numbers, "signs": signs}
    return Device(**whole)


def add_number(
    tx: Transaction, device: int, keeper: str, protocol: str, number: str, digest: str | None, at: datetime
) -> bool:  # fmt: skip
    """False where another device has it, whoever keeps that."""
    return bool(
        tx.execute(
            """INSERT INTO sensing.device_numbers (protocol, number, device_id, keeper, digest, turns, issued)
               VALUES (%s, %s, %s, %s, %s::text, CASE WHEN %s::text IS NULL THEN 0 ELSE 1 END, %s)
               ON CONFLICT DO NOTHING""",
            [protocol, number, device, keeper, digest, digest, at if digest else None],
        )
    )


def numbered(tx: Transaction, protocol: str, number: str) -> Numbered | None:
    """A number that the scope sees, locked until the transaction ends."""
    return tx.first(
        Numbered,
        """SELECT device_id AS device, digest, turns FROM sensing.device_numbers
           WHERE protocol = %s AND number = %s FOR UPDATE""",
        [protocol, number],
    )


def set_digest(tx: Transaction, protocol: str, number: str, digest: str | None, at: datetime) -> None:
    """Another secret is in force, or none."""
    tx.execute(
        """UPDATE sensing.device_numbers SET digest = %s, issued = %s, turns = turns + 1
           WHERE protocol = %s AND number = %s""",
        [digest, at, protocol, number],
    )


_KNOWN = """SELECT d.id, d.keeper, d.state, n.digest, d.traits, n.turns, n.protocol, n.number
    FROM sensing.device_numbers n JOIN sensing.devices d ON d.id = n.device_id"""


def known(tx: Transaction, protocol: str, number: str) -> Known | None:
    """Whoever has that number."""
    row = tx.first(_KnownRow, f"{_KNOWN} WHERE n.protocol = %s AND n.number = %s", [protocol, number])
    return row.known() if row else None


class Changed(msgspec.Struct, frozen=True):
    """A device that was changed, and when."""

    id: int
    changed: datetime


def changed_since(tx: Transaction, moment: datetime) -> list[Changed]:
    """Devices that were changed then or later."""
    return tx.all(Changed, "SELECT id, changed FROM sensing.devices WHERE changed >= %s ORDER BY changed", [moment])


def waiting(tx: Transaction, keeper: str) -> int:
    """Devices that wait for approval."""
    return tx.scalar(int, "SELECT count(*) FROM sensing.devices WHERE keeper = %s AND state = 'registered'", [keeper])


def same_terminal(tx: Transaction, keeper: str, terminal: str, number: str) -> bool:
    """Whether a terminal of JT/T 808 speaks under another number already."""
    return tx.scalar(
        bool,
        """SELECT EXISTS (SELECT FROM sensing.devices d JOIN sensing.device_numbers n ON n.device_id = d.id
           WHERE n.protocol = 'jt808' AND n.number <> %s AND d.keeper = %s AND d.state <> 'retired'
             AND d.traits ->> 'terminal' = %s)""",
        [number, keeper, terminal],
    )


def start_service(tx: Transaction, ids: Sequence[int], at: datetime) -> list[int]:
    """Devices that speak for the first time are in service; those that are now."""
    return tx.values(
        int,
        """UPDATE sensing.devices SET state = 'in_service', since = %s, decided_by = 'device', reason = '', changed = %s
           WHERE id = ANY(%s) AND state = 'approved' RETURNING id""",
        [at, at, list(ids)],
    )


def log(tx: Transaction, device: int, keeper: str, at: datetime, actor: str, act: str, note: str = "") -> None:
    """A line of a device's log, which nobody can change."""
    tx.execute(
        "INSERT INTO sensing.device_log (device_id, keeper, at, actor, act, note) VALUES (%s, %s, %s, %s, %s, %s)",
        [device, keeper, at, actor, act, note],
    )


def log_many(tx: Transaction, devices: Sequence[int], keeper: str, at: datetime, actor: str, act: str) -> None:
    """The same line for several devices."""
    tx.execute(
        """INSERT INTO sensing.device_log (device_id, keeper, at, actor, act)
           SELECT id, %s, %s, %s, %s FROM unnest(%s::bigint[]) id""",
        [keeper, at, actor, act, list(devices)],
    )


def lines(tx: Transaction, device: int, most: int) -> list[Line]:
    """The newest lines of the log first."""
    return tx.all(
        Line,
        "SELECT at, actor, act, note FROM sensing.device_log WHERE device_id = %s ORDER BY id DESC LIMIT %s",
        [device, most],
    )


class Stream(msgspec.Struct, frozen=True):
    """Where a quantity of a device goes."""

    device: int
    series: str
    code: str
    aspect: str
    datastream: int
    keeper: str = ""


def add_streams(tx: Transaction, found: Sequence[Stream], keeper: str) -> None:
    """Quantities of a device that have Datastreams now."""
    tx.execute(
        """INSERT INTO sensing.device_streams (device_id, series, code, aspect, datastream_id, keeper)
           SELECT *, %s FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[], %s::bigint[])
           ON CONFLICT DO NOTHING""",
        [
            keeper, [each.device for each in found], [each.series for each in found], [each.code for each in found],
            [each.aspect for each in found], [each.datastream for each in found],
        ],
    )  # fmt: skip


def streams(tx: Transaction, devices: Sequence[int]) -> list[Stream]:
    """Of these devices, all that they have."""
    return tx.all(
        Stream,
        """SELECT device_id AS device, series, code, aspect, datastream_id AS datastream, keeper
           FROM sensing.device_streams WHERE device_id = ANY(%s)""",
        [list(devices)],
    )


def lock_number(tx: Transaction, protocol: str, number: str) -> None:
    """One transaction at a time decides about a number, also about one that nobody has yet."""
    tx.execute("SELECT pg_advisory_xact_lock(7216046, hashtext(%s))", [f"{protocol} {number}"])


def set_terminal(tx: Transaction, device: int, terminal: str, plate: str, at: datetime) -> None:
    """What a terminal of JT/T 808 said of itself when it first registered."""
    tx.execute(
        """UPDATE sensing.devices SET changed = %s,
             traits = traits || jsonb_build_object('terminal', %s::text)
               || CASE WHEN COALESCE(traits ->> 'plate', '') = '' THEN jsonb_build_object('plate', %s::text) ELSE '{}' END
           WHERE id = %s""",
        [at, terminal, plate, device],
    )
