"""A scheduled pull as a pack writes it: exchange/pulls/<name>.yaml."""

from typing import Annotated

import msgspec
from msgspec import Meta

from cityloom.exchange.connectors.sources import SourceSpec
from cityloom.exchange.contracts import Mode

Minutes = Annotated[int, Meta(ge=1, le=527_040)]


class Pull(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Fetch from a source every so many minutes and deliver what is new, in the name of the dataset's keeper."""

    dataset: str
    source: SourceSpec
    every_minutes: Minutes = 60
    mode: Mode | None = None
    """The dataset's first mode if absent."""
