"""What identity announces."""

from typing import ClassVar

from cityloom.kernel.events import Event


class RolesChanged(Event, frozen=True):
    """An account has these roles from now on."""

    topic: ClassVar[str] = "identity.roles_changed"
    account: str
    organisation: str
    roles: tuple[str, ...]


class AccountDisabled(Event, frozen=True):
    """An account lets nobody in any more; its sessions have ended."""

    topic: ClassVar[str] = "identity.account_disabled"
    account: str
    organisation: str
