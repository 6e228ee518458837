"""Its part of a pack: what a city decides about the doors (`sensing/doors.yaml`)."""

import msgspec

from cityloom.kernel.packs import Packs


class Doors(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which doors of sensing are open."""

    public: bool = False
    """Whether anybody, without an account, reads Things that their keepers cleared."""


def doors(packs: Packs) -> Doors:
    """As the city's packs say. Raises Invalid `kernel.pack_wrong`."""
    return packs.read("sensing", Doors).get("doors", Doors())
