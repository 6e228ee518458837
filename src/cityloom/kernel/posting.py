"""Posts signed pages to addresses that others chose, which must be ones that may be reached from here."""

import asyncio
import base64
import ipaddress
import ssl
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cache

import httpx

from cityloom.kernel import log, reach
from cityloom.kernel.audit.keys import Signer
from cityloom.kernel.errors import Problem

logger = log.logger("posting")

PATIENCE = httpx.Timeout(10, connect=5)
LONGEST = 15
"""Seconds of a send in all, however slowly the receiver drips."""


class Unreachable(Exception):
    """Nobody took it, for a reason that stands in the operator's log alone."""


def signed(signer: Signer, body: bytes) -> dict[str, str]:
    """Headers of a page: its media type, and the city's signature over its bytes."""
    made = signer.sign(body)
    value = base64.b64encode(made.value).decode()
    return {
        "Content-Type": "application/json",
        "X-CityLoom-Signature": f'algorithm="{made.algorithm}", key="{made.key_id}", value="{value}"',
    }


def send(url: str, body: bytes, headers: dict[str, str], allowed: Sequence[str], seconds: float = LONGEST) -> str:
    """Post the body; "" when it was taken (2xx), else the status. No redirect is followed. Raises Unreachable.

    The checked address itself is connected to, and has to prove the host's name: a name that says something else a
    moment later leads nowhere. Whether a name is known, an address private, a port closed or its owner silent is told
    to the operator's log alone: to who chose the address it is all one, or it could be used to look around in the network.
    """
    begun = time.monotonic()
    try:
        target = httpx.URL(url)
        port = target.port or (443 if target.scheme == "https" else 80)
        address = reach.resolve(target.raw_host.decode("ascii"), port, allowed)
        status = asyncio.run(_post(target, address, body, headers, seconds - (time.monotonic() - begun)))
    except (Problem, httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
        kind = error.code if isinstance(error, Problem) else type(error).__name__
        logger.warning("push_unreachable", url=url[:200], kind=kind)
        raise Unreachable(kind) from error
    return "" if 200 <= status < 300 else f"HTTP {status}"


@cache
def _trusted() -> ssl.SSLContext:
    """Who is believed about addresses: read once, since that takes longer than sending."""
    return httpx.create_ssl_context(trust_env=False)


async def _post(target: httpx.URL, address: str, body: bytes, headers: dict[str, str], seconds: float) -> int:
    told = {**headers, "Host": target.netloc.decode("ascii"), "User-Agent": "CityLoom"}
    async with asyncio.timeout(seconds):
        # no proxy, .netrc or certificate folder of the process's environment
        async with httpx.AsyncClient(
            verify=_trusted(), trust_env=False, follow_redirects=False, timeout=PATIENCE
        ) as client:
            request = client.build_request(
                "POST", target.copy_with(host=address), content=body, headers=told,
                extensions={"sni_hostname": target.raw_host.decode("ascii")},
            )  # fmt: skip
            answer = await client.send(request, stream=True)  # what it says besides its status is not read
            await answer.aclose()
    return answer.status_code


def fits(text: str, allowed: Sequence[str]) -> bool:
    """Whether it is an https address, or http to a host that is itself allowed."""
    try:
        url = httpx.URL(text)  # as it is read when it is sent to
        host = url.host
    except (httpx.InvalidURL, ValueError):
        return False
    fits = url.scheme == "https" or (url.scheme == "http" and _named(host, allowed))
    return fits and bool(host) and not url.userinfo and (url.port is None or 0 < url.port < 65_536)


def _named(host: str, allowed: Sequence[str]) -> bool:
    """Whether the operator allows this very host, or a network that the address lies in."""
    if host.lower().rstrip(".") in {name.lower() for name in allowed}:
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return any(address in network for network in _networks(allowed))


def _networks(allowed: Sequence[str]) -> Iterator[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    for text in allowed:
        with suppress(ValueError):  # a host name
            yield ipaddress.ip_network(text)
