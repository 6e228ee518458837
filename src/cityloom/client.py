"""A Python client of the exchange's HTTP door, for departments' own programs; imports nothing else of the platform.

A delivery that was cut off is sent again under its id until it is answered: the platform keeps it once.
"""

import hashlib
import ssl
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import msgspec

MEDIA = {
    ".csv": "text/csv",
    ".tsv": "text/tab-separated-values",
    ".ndjson": "application/x-ndjson",
    ".jsonl": "application/x-ndjson",
    ".parquet": "application/vnd.apache.parquet",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
CHUNK = 1 << 20
FIRST_LOOK = 0.1  # seconds until the receipt of a queued delivery is first asked for
PASSING = (429, 502, 503, 504, 507)

Progress = Callable[[int], None]


class Refused(Exception):
    """The city refused; `problem` is its RFC 9457 document."""

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        super().__init__(
            f"{status} {problem.get('code', '')}: {problem.get('detail', '')} {problem.get('remedy', '')}".strip()
        )
        self.status = status
        self.problem = problem


@cache
def _trusted() -> ssl.SSLContext:
    """Who is believed about addresses: read once, since that takes longer than asking."""
    return httpx.create_ssl_context()


class File(msgspec.Struct, frozen=True):
    """A file to deliver. Media type and encoding are told from its name unless given."""

    path: Path
    media: str = ""
    encoding: str = ""
    charset: str = ""
    name: str = ""

    def headers(self) -> dict[str, str]:
        """Content-Type and Content-Encoding."""
        plain = self.path.with_suffix("") if self.path.suffix == ".gz" else self.path
        media = self.media or MEDIA.get(plain.suffix.lower(), "application/octet-stream")
        if self.charset:
            media += f"; charset={self.charset}"
        encoding = self.encoding or ("gzip" if self.path.suffix == ".gz" else "")
        return {"content-type": media} | ({"content-encoding": encoding} if encoding else {})


class Exchange:
    """The doors of one city's exchange, as one account (an API token)."""

    def __init__(self, url: str, token: str, language: str = "en", patience: float = 600.0) -> None:
        self.http = httpx.Client(
            verify=_trusted(),
            base_url=url,
            headers={"authorization": f"Bearer {token}", "accept-language": language},
            timeout=httpx.Timeout(patience, connect=10.0),
        )
        self.patience = patience

    def deliver(
        self,
        dataset: str,
        id: str,
        file: File,
        *,
        mode: str = "",
        rows: int | None = None,
        progress: Progress = lambda _: None,
        **query: str,
    ) -> dict[str, Any]:
        """Deliver a file and wait for its receipt. Raises Refused, httpx.TransportError when patience ends."""
        params: dict[str, Any] = {"sha256": digest(file.path), "file_name": file.name or file.path.name, **query}
        params |= {"mode": mode} if mode else {}
        params |= {"rows": rows} if rows is not None else {}
        address = f"/api/exchange/datasets/{dataset}/deliveries/{id}"
        answer = self._insist(
            lambda: self.http.put(address, params=params, headers=file.headers(), content=_chunks(file.path, progress))
        )
        pause = FIRST_LOOK
        while answer.status_code == 202:
            time.sleep(pause)
            pause = min(pause * 1.5, float(answer.headers.get("retry-after", 2)))
            answer = self._insist(lambda: self.http.get(address))
        return _object(answer)

    def try_out(self, dataset: str, file: File, mode: str = "") -> dict[str, Any]:
        """What a delivery would do; nothing is kept."""
        params = {"file_name": file.path.name} | ({"mode": mode} if mode else {})
        address = f"/api/exchange/datasets/{dataset}/trials"
        return _object(
            self.http.post(address, params=params, headers=file.headers(), content=_chunks(file.path, lambda _: None))
        )

    def get(self, address: str, **params: Any) -> Any:
        """Any reading address, decoded from JSON."""
        return checked(self._insist(lambda: self.http.get(address, params=params)))

    def put(self, address: str, body: Any, **params: Any) -> Any:
        """Any address that takes JSON by PUT; sent again while the city is away, since PUT may be."""
        return checked(self._insist(lambda: self.http.put(address, json=body, params=params)))

    def post(self, address: str, body: Any, **params: Any) -> Any:
        """Any address that takes JSON by POST; sent once."""
        return checked(self.http.post(address, json=body, params=params))

    def first(self, address: str, lines: int, **params: Any) -> list[dict[str, Any]]:
        """The first lines of an answer in NDJSON."""
        found: list[dict[str, Any]] = []
        with self.http.stream("GET", address, params=params) as answer:
            if answer.status_code >= 400:
                answer.read()
                checked(answer)
            for line in answer.iter_lines():
                if len(found) == lines:
                    break
                found.append(msgspec.json.decode(line))
        return found

    def withdraw(self, dataset: str, id: str, reason: str) -> dict[str, Any]:
        """Take a delivery back with all its effects."""
        address = f"/api/exchange/datasets/{dataset}/deliveries/{id}"
        return _object(self.http.delete(address, params={"reason": reason}))

    def download(self, address: str, into: Path, **params: Any) -> None:
        """Stream an answer into a file."""
        with self.http.stream("GET", address, params=params) as answer:
            if answer.status_code >= 400:
                answer.read()
                checked(answer)
            with into.open("wb") as file:
                for chunk in answer.iter_bytes(CHUNK):
                    file.write(chunk)

    def close(self) -> None:
        """Close the connections."""
        self.http.close()

    def _insist(self, ask: Callable[[], httpx.Response]) -> httpx.Response:
        """Ask again while the city is away or busy, for as long as patience lasts."""
        end, pause = time.monotonic() + self.patience, 0.2
        while True:
            try:
                answer = ask()
                busy = answer.status_code in PASSING or _in_progress(answer)
                if not busy or time.monotonic() > end:
                    return answer
            except httpx.TransportError:
                if time.monotonic() > end:
                    raise
            time.sleep(pause)
            pause = min(pause * 1.7, 5.0)


def _in_progress(answer: httpx.Response) -> bool:
    # our own broken-off try still holds the id for its lease
    return answer.status_code == 409 and b"exchange.delivery_in_progress" in answer.content


def checked(answer: httpx.Response) -> Any:
    """The decoded answer. Raises Refused for problems; a delivery refused whole is a problem too."""
    if answer.status_code >= 400:
        try:
            problem = answer.json()
        except ValueError:
            problem = {"detail": answer.text[:500]}
        raise Refused(answer.status_code, problem if "refusal" not in problem else problem | problem["refusal"])
    return answer.json()


def _object(answer: httpx.Response) -> dict[str, Any]:
    found: dict[str, Any] = checked(answer)
    return found


def digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _chunks(path: Path, progress: Progress) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk
            progress(len(chunk))
