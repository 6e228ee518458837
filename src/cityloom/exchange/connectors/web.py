"""Pulls a file over HTTP(S) when it has changed (RFC 9110, 13.1), from addresses that may be reached."""

import asyncio
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

import httpx
import msgspec

from cityloom.exchange.connectors import addresses, tls
from cityloom.exchange.connectors.sources import Bounds, Fetched, Format, Secrets, Web
from cityloom.exchange.connectors.spool import Spool, format_of, spooled
from cityloom.kernel.errors import Invalid, Refused, TooLarge, Unavailable

MOST_REDIRECTS = 3
PIECE = 1 << 20
MEDIA: dict[str, Format] = {
    "text/csv": "csv",
    "application/x-ndjson": "ndjson",
    "application/vnd.apache.parquet": "parquet",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
}


class State(msgspec.Struct, frozen=True):
    """What the server said of the file's version."""

    etag: str | None = None
    modified: str | None = None


def fetch(source: Web, state: bytes | None, into: Path, secrets: Secrets, bounds: Bounds) -> Fetched | None:
    """The file at the address; None if it has not changed since `state`.

    A redirect is followed on the same host only, and never from https to http. What the server packs with gzip is kept
    packed. Raises Refused `exchange.pull_address_private`, `exchange.pull_redirected`, Invalid
    `exchange.pull_url_wrong`, `exchange.pull_status`, Unavailable `exchange.pull_unreachable`, `exchange.pull_too_slow`,
    and what `spooled`, `format_of` and `Spool.check` raise.
    """
    before = msgspec.json.decode(state, type=State) if state else State()
    headers = {"Accept-Encoding": "gzip, identity", "User-Agent": "CityLoom"}
    headers |= {"If-None-Match": before.etag} if before.etag else {}
    headers |= {"If-Modified-Since": before.modified} if before.modified else {}
    headers |= {"Authorization": secrets(source.authorization)} if source.authorization else {}
    url = _parsed(source.url)
    try:
        with spooled(into, bounds) as spool:
            return asyncio.run(_fetch(source, url, headers, spool, bounds))
    except httpx.HTTPError as error:
        raise Unavailable("exchange.pull_unreachable", host=url.host, reason=type(error).__name__) from error
    except TimeoutError as error:
        raise Unavailable("exchange.pull_too_slow", seconds=int(bounds.seconds)) from error


async def _fetch(
    source: Web, url: httpx.URL, headers: dict[str, str], spool: Spool, bounds: Bounds
) -> Fetched | None:  # fmt: skip
    # the time is bounded as a whole: a server that drips its headers answers each read in time and never ends
    async with asyncio.timeout(bounds.seconds), _client(source) as client:
        for _ in range(MOST_REDIRECTS + 1):
            response = await client.send(_request(client, url, headers, bounds), stream=True)
            try:
                if not response.has_redirect_location:
                    return await _taken(source, url, response, spool, bounds)
                url = _next(url, response)
            finally:
                await response.aclose()
        raise Refused("exchange.pull_redirected", host=url.host)


def _client(source: Web) -> httpx.AsyncClient:
    trusted = tls.context(source.ca) if source.ca else True
    patience = httpx.Timeout(60, connect=30)
    # no proxy, .netrc or certificate folder of the process's environment
    return httpx.AsyncClient(verify=trusted, trust_env=False, follow_redirects=False, timeout=patience)


def _parsed(text: str) -> httpx.URL:
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL as error:
        raise Invalid("exchange.pull_url_wrong", url=text[:200]) from error
    if url.scheme not in ("http", "https") or not url.host or url.userinfo:
        raise Invalid("exchange.pull_url_wrong", url=str(url.copy_with(userinfo=b""))[:200])
    return url


def _request(client: httpx.AsyncClient, url: httpx.URL, headers: dict[str, str], bounds: Bounds) -> httpx.Request:
    """A request to the checked address itself, which still asks for, and has to prove, the host's name."""
    port = url.port or (443 if url.scheme == "https" else 80)
    name = url.raw_host.decode("ascii")
    address = addresses.resolve(name, port, bounds.allowed)
    pinned = url.copy_with(host=address)
    host = url.netloc.decode("ascii")
    return client.build_request("GET", pinned, headers=headers | {"Host": host}, extensions={"sni_hostname": name})


def _next(url: httpx.URL, response: httpx.Response) -> httpx.URL:
    target = url.join(_parsed_location(response))
    same_port = target.port == url.port or (url.scheme, target.scheme, target.port) == ("http", "https", None)
    downgraded = url.scheme == "https" and target.scheme != "https"
    if target.host != url.host or not same_port or downgraded or target.scheme not in ("http", "https"):
        raise Refused("exchange.pull_redirected", host=target.host or "?")
    return target.copy_with(userinfo=b"")


def _parsed_location(response: httpx.Response) -> httpx.URL:
    try:
        return httpx.URL(response.headers["Location"])
    except httpx.InvalidURL as error:
        raise Invalid("exchange.pull_url_wrong", url="Location") from error


async def _taken(source: Web, url: httpx.URL, response: httpx.Response, spool: Spool, bounds: Bounds) -> Fetched | None:
    if response.status_code == httpx.codes.NOT_MODIFIED:
        return None
    if response.is_server_error or response.status_code == httpx.codes.TOO_MANY_REQUESTS:
        raise Unavailable("exchange.pull_unreachable", host=url.host, reason=f"HTTP {response.status_code}")
    if response.status_code != httpx.codes.OK:
        raise Invalid("exchange.pull_status", host=url.host, status=response.status_code)
    length = response.headers.get("Content-Length", "")
    if length.isdecimal() and int(length) > bounds.max_bytes:
        raise TooLarge("exchange.pull_too_large", limit=bounds.max_bytes >> 20)
    name = unquote(PurePosixPath(url.path).name) or url.host
    format = format_of(
        name, source.format or MEDIA.get(response.headers.get("Content-Type", "").partition(";")[0].strip())
    )
    with spool.path.open("wb") as file:
        async for data in response.aiter_raw(PIECE):
            spool.write(file, data)
    after = State(response.headers.get("ETag"), response.headers.get("Last-Modified"))
    return Fetched(spool.path, format, None, msgspec.json.encode(after), name)
