"""The base of what modules announce; knows nothing of how events travel."""

from typing import ClassVar

import msgspec


class Event(msgspec.Struct, frozen=True):
    """Something that happened. A subclass names its topic, such as `exchange.delivery_accepted`."""

    topic: ClassVar[str] = ""
