"""Keeps a pull from reaching what only this machine can reach (`kernel.reach`)."""

from collections.abc import Sequence

from cityloom.kernel import reach
from cityloom.kernel.errors import Refused, Unavailable


def resolve(host: str, port: int, allowed: Sequence[str]) -> str:
    """The address to connect to; connect to this and not to the name, which may say something else the next time.

    Raises Unavailable `exchange.pull_unreachable`, Refused `exchange.pull_address_private`.
    """
    try:
        return reach.resolve(host, port, allowed)
    except Refused as problem:
        raise Refused("exchange.pull_address_private", **problem.params) from problem
    except Unavailable as problem:
        raise Unavailable("exchange.pull_unreachable", host=host, reason="the name is not known") from problem
