"""What is declared of a linkage, what was learnt for it, and what it found."""

from typing import Literal

import msgspec
import pyarrow as pa

KindName = Literal["name", "latin_name", "organisation", "date", "identifier", "phone", "address", "category", "text"]
ALWAYS = "*"


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """One column that is evidence."""

    name: str
    """The column: lower-case letters, digits and single underscores."""
    kind: KindName
    partner: str = ""
    """The field that it may have changed places with, such as the surname of a given name."""
    verified: str = ""
    """For identifiers: a boolean column that says where the number was checked against its register; `*` for always.
    The same verified number links two records, two different ones forbid it, whatever else agrees."""


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """What a linkage goes by. Nothing of it is learnt."""

    fields: tuple[Field, ...]
    key: str = "record"
    """The column with the id of a record: unique, any type that can be written as text."""
    source: str = ""
    """A column that says which file a record is from; if given, records of one file are never linked."""
    one_to_one: bool = False
    """With `source`: no file holds somebody twice, so a record has at most one partner in each other file."""
    blocking: tuple[tuple[str, ...], ...] = ()
    """Which pairs are looked at: those that agree on all keys of a rule, such as ("name.sound", "born.year").
    Empty: chosen by what the data have (see `blocking.choose`)."""
    link: float = 0.95
    """Probability from which a pair is linked: a wrong merge mixes two lives and costs about twenty missed links."""
    doubt: float = 0.5
    """Probability from which a pair that is not linked goes to a steward: likelier one person than two."""
    joined: float = 0.0
    """Mean match weight (bits) from which two groups of records are one; 0 is as likely as not."""
    most_pairs: int = 12
    """Comparisons a record may cost, on average. Rules that cost more are not chosen; declared ones are refused."""
    seed: int = 1


class Rule(msgspec.Struct, frozen=True):
    """A blocking rule that was chosen: keys by name, and hashes of values too frequent to say anything."""

    keys: tuple[str, ...]
    heavy: tuple[int, ...] = ()


class Weights(msgspec.Struct, frozen=True):
    """How likely each level of agreement of a field is among records of one (m), and of two (u), best level first."""

    field: str
    m: tuple[float, ...]
    u: tuple[float, ...]


class Trained(msgspec.Struct, frozen=True, kw_only=True):
    """What was learnt from records without labels; can be written down and used again."""

    prior: float
    """Probability that two records drawn at random are of one."""
    weights: tuple[Weights, ...]
    rules: tuple[Rule, ...]
    rounds: int
    converged: bool
    records: int


class Linked(msgspec.Struct, frozen=True, kw_only=True):
    """What was found."""

    pairs: pa.Table
    """left, right, match_weight (bits), probability, decision (link, doubt, identifier), and for each field
    `NAME__level` and `NAME__weight`; those below `doubt` are left out. By weight, heaviest first."""
    clusters: pa.Table
    """record, cluster: of every record; a cluster's name is its first record's."""
    conflicts: pa.Table
    """left, right, probability: linked by evidence or number, kept apart by different verified numbers between
    their clusters. For a steward."""
    trained: Trained
    compared: int
    """Pairs that were looked at."""

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the fields that were compared."""
        return tuple(each.removesuffix("__level") for each in self.pairs.column_names if each.endswith("__level"))

    @property
    def doubts(self) -> pa.Table:
        """The pairs for a steward: those between the thresholds that clustering did not settle."""
        return self.pairs.filter(pa.compute.equal(self.pairs["decision"], "doubt"))
