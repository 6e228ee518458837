"""The sandbox: the doors of a grant over made-up records, so that development starts before the grant is given.

The same shapes, signatures and errors; no grant, no purpose, no log, since nothing in it is anybody's. A statement from
here is of another type, so that it passes for no real one.
"""

from typing import Any

import msgspec

from cityloom.exchange.api import excerpts, sandbox
from cityloom.exchange.contracts import DatasetFacts, key_text, record_key
from cityloom.kernel.context import Context
from cityloom.kernel.errors import Invalid, NotFound
from cityloom.sharing.api import signing
from cityloom.sharing.contracts import SANDBOX, Answer, Claims, Question, Statement
from cityloom.sharing.rules import using

Record = dict[str, Any]


class Twins:
    """The made-up records of a process's datasets, made at first use."""

    def __init__(self) -> None:
        self._made: dict[str, list[Record]] = {}

    def records(self, ctx: Context, dataset: str) -> list[Record]:
        """The current state. Raises NotFound `exchange.dataset_unknown`, `exchange.sandbox_empty`."""
        if dataset not in self._made:
            made = msgspec.json.decode(msgspec.json.encode(sandbox.records(ctx, dataset)), type=list[Record])
            self._made[dataset] = made
        return self._made[dataset]

    def changes(self, ctx: Context, dataset: str, since: int, limit: int) -> list[Record]:
        """Change rows: each record was inserted once."""
        at = "2020-01-01T00:00:00"
        marks = {"_op": "insert", "_delivery": "sandbox", "_cause": "delivery", "_at": at, "_as_of": None}
        rows = enumerate(self.records(ctx, dataset), 1)
        return [{"_sequence": number, **marks, **row} for number, row in rows if number > since][:limit]

    def answer(self, ctx: Context, dataset: str, question: Question) -> Answer:
        """As a grant on every field would be answered. Raises Invalid `sharing.key_parts`, `sharing.sandbox_claim`."""
        facts = excerpts.facts(ctx, dataset)
        if not facts.queryable:
            raise NotFound("sharing.not_queryable", dataset=dataset)
        if len(question.key) != len(facts.key):
            raise Invalid("sharing.key_parts", found=len(question.key), fields=", ".join(facts.key))
        claims = question.claims if isinstance(question, Claims) else None
        fields = tuple(field.name for field in facts.fields)
        for name in claims or ():
            if name not in fields:
                raise Invalid("exchange.excerpt_field", dataset=dataset, field=name, known=", ".join(fields))
        return _signed(ctx, facts, question, claims, self._find(ctx, facts, question.key))

    def _find(self, ctx: Context, facts: DatasetFacts, key: tuple[str, ...]) -> Record | None:
        wanted = key_text(key)
        rows = self.records(ctx, facts.name)
        return next((row for row in rows if record_key(facts.key, row) == wanted), None)


def _signed(
    ctx: Context, facts: DatasetFacts, question: Question, claims: dict[str, Any] | None, found: Record | None
) -> Answer:  # fmt: skip
    statement = Statement(
        type=SANDBOX,
        use="sandbox",
        grant="sandbox",
        dataset=facts.name,
        organisation=ctx.principal.organisation,
        purpose=ctx.purpose,
        case=question.case,
        fields=tuple(claims) if claims is not None else tuple(field.name for field in facts.fields),
        found=found is not None,
        record=found if claims is None else None,
        matches=None if claims is None else using.matches(found, claims),
        sequence=0,
        lag_seconds=0.0,
        at=ctx.clock.now(),
        audit_position=-1,
    )
    return signing.signed(ctx.parts.signer, msgspec.json.encode(statement))
