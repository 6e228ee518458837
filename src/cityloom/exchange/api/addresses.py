"""Which addresses the city may connect to: the guard of pulls, for whoever else calls out."""

from collections.abc import Sequence

from cityloom.exchange.connectors import addresses


def resolve(host: str, port: int, allowed: Sequence[str]) -> str:
    """The address to connect to; every address of the name must be public, or allowed by name or network.

    Raises Unavailable `exchange.pull_unreachable`, Refused `exchange.pull_address_private`.
    """
    return addresses.resolve(host, port, allowed)
