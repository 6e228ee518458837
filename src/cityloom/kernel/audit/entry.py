"""What the audit log holds and says: entries, signed heads, proofs, findings, and the exact bytes of each."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, Literal

import msgspec

from cityloom.kernel.audit import merkle
from cityloom.kernel.errors import Conflict, Invalid

Fact = str | int | bool | None | tuple[str | int, ...]

HEAD: Final = "cityloom.audit.head/1"
EXPORT: Final = "cityloom.audit.export/1"
INCLUSION: Final = "cityloom.audit.inclusion/1"
CONSISTENCY: Final = "cityloom.audit.consistency/1"

LONGEST_BODY = 64 * 1024
LONGEST_FIELD = 512
_NAME = re.compile(r"[a-z][a-z0-9_.:-]{0,99}")
_IDENTIFIER = re.compile(r"[!-~]{0,512}")


class Contradiction(Conflict):
    """The database does not hold what was signed: an alarm for the security administrator, not for the caller."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One act, before it has its position. Nothing here may be the value of a personal field."""

    time: datetime
    """When it was done; aware."""
    actor: str
    organisation: str
    action: str
    """A word such as `exchange.delivery_accepted`."""
    subject: str
    """What it was done to, as kind:id."""
    purpose: str = ""
    request: str = ""
    facts: Mapping[str, Fact] = {}
    """Identifiers, digests, counts: printable ASCII without spaces, integers, truth values, or tuples of these."""


class Record(msgspec.Struct, frozen=True):
    """One entry as it stands in the log."""

    position: int
    body: str


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which entries somebody looks for; what is empty or None asks for any."""

    subject: str = ""
    actor: str = ""
    organisation: str = ""
    action: str = ""
    """A whole action such as `registers.read`, or the part before its dot."""
    purpose: str = ""
    start: datetime | None = None
    until: datetime | None = None
    """From `start` until before `until`; aware."""


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """What is signed: the log of this id had `size` entries with this root at that time."""

    type: Literal["cityloom.audit.head/1"] = HEAD
    log: str
    size: int
    hash: str
    """Name of the hash algorithm of the tree, such as SHA-256."""
    root: str
    """Hexadecimal, 32 bytes."""
    time: str
    algorithm: str
    """Name of the signature algorithm, such as Ed25519."""
    key: str
    """Id of the public key."""


class SignedHead(Head, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A head with its signature, in base64, over the bytes that `signed_bytes` gives."""

    signature: str

    def signed_bytes(self) -> bytes:
        """The JSON of the head without its signature, keys sorted, no spaces."""
        return encode(Head(**{name: getattr(self, name) for name in Head.__struct_fields__}))


class InclusionProof(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """That `entry` stands at `position` of the log that `head` signs."""

    type: Literal["cityloom.audit.inclusion/1"] = INCLUSION
    position: int
    entry: str
    proof: tuple[str, ...]
    """Hexadecimal hashes, the leaf's sibling first."""
    head: SignedHead
    keys: Mapping[str, str]
    """Public keys as PEM by their id."""


class ConsistencyProof(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """That the log which `first` signs begins the one which `second` signs: nothing before was changed."""

    type: Literal["cityloom.audit.consistency/1"] = CONSISTENCY
    first: SignedHead
    second: SignedHead
    proof: tuple[str, ...]
    keys: Mapping[str, str]


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """log.json of an export: which log it is and how many entries the database said it had."""

    type: Literal["cityloom.audit.export/1"] = EXPORT
    log: str
    hash: str
    size: int
    time: str


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong; `first` and `last` are positions. For a head both are the last position it covers."""

    code: str
    first: int
    last: int
    detail: str = ""

    def params(self) -> dict[str, str | int]:
        """What the words of the code are filled with."""
        positions = str(self.first) if self.first == self.last else f"{self.first}–{self.last}"
        return {"positions": positions, "size": self.last + 1, "detail": self.detail}


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What a verification saw."""

    log: str
    entries: int
    signed: int
    """Entries that the last good head covers."""
    unsigned: int
    """Entries after it, of the last second or so: nobody can vouch for these yet."""
    heads: int
    root: str
    """Root that the last good head signs; empty if there is none."""
    keys: tuple[str, ...]
    """Ids of the keys that signed."""
    pinned: bool
    """Whether the keys were given by the reader, not taken from the export itself."""
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        return not self.findings


def encode(value: msgspec.Struct) -> bytes:
    """JSON in UTF-8, keys sorted, no spaces: one value has one text."""
    return msgspec.json.encode(value, order="sorted")


def prefix(position: int) -> bytes:
    """How the body of the entry at this position begins."""
    return b'{"position":%d,' % position


def draft(entry: Entry) -> str:
    """The body of the entry without its position. Raises Invalid `audit.entry_refused` naming the field."""
    fields = {
        "time": moment(entry.time),
        "actor": _text("actor", entry.actor),
        "organisation": _text("organisation", entry.organisation),
        "action": _word("action", entry.action),
        "subject": _text("subject", entry.subject),
        "purpose": _text("purpose", entry.purpose, 0),
        "request": _text("request", entry.request, 0),
        "facts": {_word("facts", name): _fact(name, entry.facts[name]) for name in sorted(entry.facts)},
    }
    text = msgspec.json.encode(fields)
    if len(text) > LONGEST_BODY:
        raise Invalid("audit.entry_refused", field="facts")
    return text.decode()


def body(entry: Entry, position: int) -> str:
    """The text that is hashed once the entry has this position; the same that `kernel.audit_append` writes."""
    return prefix(position).decode() + draft(entry)[1:]


def leaf(text: str, hash_name: str = merkle.DEFAULT) -> bytes:
    """Leaf hash of a body."""
    return merkle.leaf_hash(text.encode(), hash_name)


def moment(at: datetime) -> str:
    """UTC to the microsecond in a fixed width, so that texts sort as times do. Raises Invalid if `at` is naive."""
    if at.tzinfo is None:
        raise Invalid("audit.entry_refused", field="time")
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _text(field: str, value: str, least: int = 1) -> str:
    if not least <= len(value) <= LONGEST_FIELD or not value.isprintable():
        raise Invalid("audit.entry_refused", field=field)
    return value


def _word(field: str, value: str) -> str:
    if not _NAME.fullmatch(value):
        raise Invalid("audit.entry_refused", field=field)
    return value


def _fact(name: str, value: Fact) -> Fact:
    parts = value if isinstance(value, tuple) else (value,)
    for part in parts:
        if isinstance(part, str) and not _IDENTIFIER.fullmatch(part):
            raise Invalid("audit.entry_refused", field=f"facts.{name}")
        if isinstance(part, int) and not -(2**63) <= part < 2**63:
            raise Invalid("audit.entry_refused", field=f"facts.{name}")
        if not isinstance(part, str | int | None):
            raise Invalid("audit.entry_refused", field=f"facts.{name}")
    return value
