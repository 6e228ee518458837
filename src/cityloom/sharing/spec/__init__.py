"""Its part of a pack: how requests and grants go (`sharing/flows/`), and the limits (`sharing/limits.yaml`)."""

from importlib import resources
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from cityloom.kernel.flow.spec import Definition
from cityloom.kernel.packs import Packs

REQUEST, GRANT = "data_request", "data_grant"
FILES: dict[str, Literal["request", "grant"]] = {REQUEST: "request", GRANT: "grant"}


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a city decides about all grants."""

    unused_days: Annotated[int, Meta(ge=1)] = 90
    """A grant that nobody used for so long is closed."""
    longest_days: Annotated[int, Meta(ge=1)] = 730
    smallest_group: Annotated[int, Meta(ge=2)] = 10
    """Counts leave out groups with fewer records."""
    approve_unconditional: bool = True
    """Datasets declared for unconditional sharing are granted at once, unless personal fields are asked for."""


def flow(packs: Packs, kind: str) -> Definition:
    """How requests or grants go in this city: as its packs say, else as shipped. Raises Invalid `kernel.pack_wrong`."""
    name = FILES[kind]
    written = packs.read("sharing/flows", Definition).get(name)
    if written is not None:
        return written
    shipped = resources.files("cityloom.sharing.spec") / f"{name}.yaml"
    return msgspec.yaml.decode(shipped.read_bytes(), type=Definition)


def limits(packs: Packs) -> Limits:
    """The city's limits. Raises Invalid `kernel.pack_wrong`."""
    return packs.read("sharing", Limits).get("limits", Limits())
