"""Its part of a pack: how correction tickets go (`quality/flows/correction.yaml`), and the limits (`quality/limits.yaml`)."""

from importlib import resources
from typing import Annotated

import msgspec
from msgspec import Meta

from cityloom.kernel.errors import Invalid
from cityloom.kernel.flow.spec import Definition
from cityloom.kernel.packs import Packs
from cityloom.quality.contracts import CORRECTED

KIND = "data_correction"
CORRECT, LAPSE = "correct", "lapse"
SOURCE = "source"
"""The part that nobody can have: what the change rows say."""
AT_KEEPER = ("disputed", "mending", "upheld")
AT_DISPUTER = ("rejected",)
AT_PLATFORM = ("contested",)


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a city decides about all tickets."""

    arbiters: tuple[str, ...] = ()
    """Who rules on contested tickets: the first that is no party to it. Unsaid: the platform's own organisation."""
    asked_days: Annotated[int, Meta(ge=1)] = 90
    """Who asked for a record this lately is told when it was corrected, even if its grant has ended."""
    kept_days: Annotated[int, Meta(ge=1)] = 365
    """How long after its end a ticket still names the record and the values."""


def flow(packs: Packs) -> Definition:
    """How tickets go in this city: as its packs say, else as shipped.

    Raises Invalid `kernel.pack_wrong`, and `quality.flow_wrong` where a ticket could end as corrected by hand or not at all.
    """
    definition = packs.read("quality/flows", Definition).get("correction")
    if definition is None:
        shipped = resources.files("cityloom.quality.spec") / "correction.yaml"
        definition = msgspec.yaml.decode(shipped.read_bytes(), type=Definition)
    _check(definition)
    return definition


def _check(definition: Definition) -> None:
    running = {state.name for state in definition.states if not state.final}
    missing = {*AT_KEEPER, *AT_DISPUTER, *AT_PLATFORM} ^ running
    if definition.kind != KIND or missing:
        raise Invalid("quality.flow_wrong", what=", ".join(sorted(missing)) or definition.kind)
    for move in definition.moves:
        if move.name == CORRECT:
            fits = (move.to, move.roles, set(move.sources)) == (CORRECTED, (SOURCE,), running)
        else:
            fits = move.to != CORRECTED and SOURCE not in move.roles
        if not fits:
            raise Invalid("quality.flow_wrong", what=move.name)
    if not any(move.name == CORRECT for move in definition.moves):
        raise Invalid("quality.flow_wrong", what=CORRECT)


def limits(packs: Packs) -> Limits:
    """The city's limits. Raises Invalid `kernel.pack_wrong`."""
    return packs.read("quality", Limits).get("limits", Limits())
