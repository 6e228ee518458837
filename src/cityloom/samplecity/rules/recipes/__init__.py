"""How the rows of each dataset are thought up."""

from collections.abc import Callable
from typing import Literal

import msgspec

from cityloom.samplecity.rules.chance import Index
from cityloom.samplecity.rules.world import Columns, Roll, Scene


class Recipe(msgspec.Struct, frozen=True):
    """How one dataset is made."""

    dataset: str
    scope: Literal["city", "block"]
    roll: Callable[[Scene], Roll]
    frame: Callable[[Scene, Roll, Index, Index], Columns]
    """Scene, roll, entities, and the version of each: a higher version always differs from a lower one."""
    varies: bool = True
    """Whether versions differ at all."""
