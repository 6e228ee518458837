"""What a test gets to know of its scratch city; a module of its own, because there are several files named conftest."""

import msgspec

from cityloom.kernel.settings import Settings


class Scratch(msgspec.Struct, frozen=True):
    """A city of one test: its settings (home folder and database of its own) and how each role reaches the database."""

    settings: Settings
    admin_url: str
    app_url: str
    lake_url: str
    scope_key: bytes
