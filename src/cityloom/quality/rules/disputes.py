"""Who has which part in a ticket, what may be disputed, and when a change row has corrected it."""

from collections.abc import Sequence
from typing import Any

from msgspec import UNSET

from cityloom.exchange.contracts import DatasetFacts, RecordChange
from cityloom.kernel.access import Principal
from cityloom.kernel.errors import Conflict, Invalid, Refused
from cityloom.quality.contracts import NewTicket, TicketAct
from cityloom.sharing.contracts import Sight

PLATFORM, KEEPER, DISPUTER = "platform", "keeper", "disputer"
EVERYBODY = "*"
"""The organisation of the platform itself."""


def parts_of(principal: Principal, organisation: str, keeper: str, arbiter: str) -> frozenset[str]:
    """The roles that somebody has in the flow of a ticket between these."""
    found = {DISPUTER: organisation, KEEPER: keeper, PLATFORM: arbiter}
    parts = {role for role, owner in found.items() if owner == principal.organisation}
    return frozenset(parts | {PLATFORM} if principal.organisation == EVERYBODY else parts)


def check_field(facts: DatasetFacts, new: NewTicket) -> None:
    """Raises Invalid `quality.field_unknown`, and Invalid `quality.key_parts`, `quality.key_disputed`."""
    known = [field.name for field in facts.fields]
    if new.field not in known:
        raise Invalid("quality.field_unknown", dataset=facts.name, field=new.field, known=", ".join(known))
    if len(new.key) != len(facts.key):
        raise Invalid("quality.key_parts", found=len(new.key), fields=", ".join(facts.key))


def open_to_all(facts: DatasetFacts, field: str) -> bool:
    """Whether any organisation may dispute this field without a grant: shared unconditionally, and nothing personal."""
    personal = {each.name for each in facts.fields if each.personal}
    return facts.sharing == "unconditional" and not personal & {field, *facts.key}


def check_value(new: NewTicket, sight: Sight) -> None:
    """The value must be one that the disputer can have seen.

    Raises Refused `quality.value_not_shown` when its grant shows none; Conflict `quality.value_differs` when the record
    neither says this now nor has since the use that the dispute names.
    """
    if new.value is UNSET:
        return
    if sight.values is None:
        raise Refused("quality.value_not_shown", grant=new.grant, field=new.field)
    if new.value not in [text(value) for value in sight.values]:
        raise Conflict("quality.value_differs", field=new.field)


def check_answer(act: TicketAct) -> None:
    """Raises Invalid `quality.rejection_unfounded` for a rejection with neither evidence nor law."""
    if act.move == "reject" and not (act.law.strip() or act.evidence.strip()):
        raise Invalid("quality.rejection_unfounded")


def mending(wish: NewTicket, history: Sequence[RecordChange]) -> RecordChange | None:
    """The first change that corrected the disputed value: another value came in its place, or the record was removed."""
    return next((change for change in history if _mends(wish, change)), None)


def _mends(wish: NewTicket, change: RecordChange) -> bool:
    if change.after is None:
        return True
    if change.before is None:
        return False
    before, after = text(change.before.get(wish.field)), text(change.after.get(wish.field))
    return before != after and wish.value in (UNSET, before)


def text(value: Any) -> str | None:
    """A field's value as it stands in JSON, without quotes."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return None if value is None else str(value)
