"""What may be asked for and offered, and which part somebody has in a request or grant."""

from collections.abc import Sequence

from cityloom.exchange.contracts import DatasetFacts, Excerpt
from cityloom.kernel.access import Principal
from cityloom.kernel.errors import Invalid
from cityloom.sharing.contracts import Kind, Terms
from cityloom.sharing.spec import Limits

PLATFORM, KEEPER, REQUESTER = "platform", "keeper", "requester"
EVERYBODY = "*"
"""The organisation of the platform itself."""


def parts_of(principal: Principal, organisation: str, keeper: str) -> frozenset[str]:
    """The roles that somebody has in the flow of a request or grant between these two."""
    if principal.organisation == EVERYBODY:
        return frozenset({PLATFORM})
    found = {REQUESTER: organisation, KEEPER: keeper}
    return frozenset(role for role, owner in found.items() if owner == principal.organisation)


def check(facts: DatasetFacts, terms: Terms, limits: Limits) -> None:
    """Raises Invalid `sharing.terms_…` for terms that could not be used, or are longer than the city allows."""
    if terms.days > limits.longest_days:
        raise Invalid("sharing.terms_too_long", days=terms.days, most=limits.longest_days)
    if terms.kind == Kind.read:
        missing = [name for name in facts.key if name not in terms.fields]
        if missing:
            raise Invalid("sharing.terms_without_key", dataset=facts.name, missing=", ".join(missing))
        hidden = [mask.field for mask in terms.masks if mask.field in facts.key and mask.kind != "pseudonym"]
        if hidden:
            raise Invalid("sharing.terms_key_masked", dataset=facts.name, field=hidden[0])
    elif terms.kind == Kind.verify:
        if terms.masks:
            raise Invalid("sharing.terms_masked_claims", field=terms.masks[0].field)
        if not facts.queryable:
            raise Invalid("sharing.not_queryable", dataset=facts.name)


def check_offer(wished: Terms, offered: Terms) -> None:
    """A counter-offer gives less. Raises Invalid `sharing.offer_wider` naming what it adds."""
    wider = [name for name in offered.fields if name not in wished.fields]
    if offered.kind == Kind.read != wished.kind:
        wider.append(f"kind={offered.kind}")
    more = [name for name in ("days", "per_minute", "per_day") if getattr(offered, name) > getattr(wished, name)]
    wider += [f"{name}={getattr(offered, name)}" for name in more]
    masked = {mask.field for mask in wished.masks} & set(offered.fields) - {mask.field for mask in offered.masks}
    masked = masked if offered.kind == Kind.read else set()  # nothing of the others is shown
    wider += [f"unmasked {name}" for name in sorted(masked)]
    if wider:
        raise Invalid("sharing.offer_wider", parts=", ".join(wider))


def excerpt(terms: Terms, salt: str) -> Excerpt:
    """What the exchange lets through under these terms."""
    return Excerpt(terms.fields, terms.rows, terms.masks, salt)


def at_once(facts: DatasetFacts, terms: Terms, filtered: Sequence[str], limits: Limits) -> bool:
    """Whether a request needs no decision: declared for unconditional sharing, and nothing personal in it.

    `filtered` are the fields that its row filter looks at: which rows come tells what is in them.
    """
    personal = {field.name for field in facts.fields if field.personal}
    asked = {*terms.fields, *filtered}
    return limits.approve_unconditional and facts.sharing == "unconditional" and not personal & asked
