"""Sends a page to a subscriber's address (`kernel.posting`)."""

from collections.abc import Sequence

from cityloom.kernel import posting
from cityloom.kernel.errors import Invalid

UNREACHABLE = "sharing.webhook_unreachable"
LONGEST = posting.LONGEST
"""Seconds of a send in all, however slowly the receiver drips."""


def send(url: str, body: bytes, headers: dict[str, str], allowed: Sequence[str]) -> str:
    """Post the body; "" when it was taken (2xx), else why not."""
    try:
        return posting.send(url, body, headers, allowed, LONGEST)
    except posting.Unreachable:
        return UNREACHABLE


def check_url(text: str, allowed: Sequence[str]) -> None:
    """Raises Invalid `sharing.webhook_url` for what is no https address, or http to a host that is itself allowed."""
    if not posting.fits(text, allowed):
        raise Invalid("sharing.webhook_url", url=text[:200])
