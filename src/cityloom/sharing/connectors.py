"""Sends a page to a subscriber's address, which must be one that may be reached from here."""

from collections.abc import Sequence

import httpx

from cityloom.exchange.api import addresses
from cityloom.kernel.errors import Problem

PATIENCE = httpx.Timeout(10, connect=5)


def send(url: str, body: bytes, headers: dict[str, str], allowed: Sequence[str]) -> str:
    """Post the body; "" when it was taken (2xx), else why not. No redirect is followed.

    The checked address itself is connected to, and has to prove the host's name: a name that says something else a
    moment later leads nowhere.
    """
    target = httpx.URL(url)
    port = target.port or (443 if target.scheme == "https" else 80)
    name = target.raw_host.decode("ascii")
    try:
        address = addresses.resolve(name, port, allowed)
        # no proxy, .netrc or certificate folder of the process's environment
        with httpx.Client(trust_env=False, follow_redirects=False, timeout=PATIENCE) as client:
            told = {**headers, "Host": target.netloc.decode("ascii"), "User-Agent": "CityLoom"}
            pinned = target.copy_with(host=address)
            request = client.build_request(
                "POST", pinned, content=body, headers=told, extensions={"sni_hostname": name}
            )
            answer = client.send(request, stream=True)  # what it says besides its status is not read
            answer.close()
    except Problem as problem:
        return problem.code
    except httpx.HTTPError as error:
        return type(error).__name__
    return "" if answer.is_success else f"HTTP {answer.status_code}"
