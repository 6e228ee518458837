"""`$batch`: many requests in one, as multipart/mixed (OGC 18-088, clause 11) or as JSON, and their answers."""

import re
from collections.abc import Mapping, Sequence
from email.message import Message
from email.parser import BytesParser
from typing import Any
from uuid import uuid4

import msgspec

from cityloom.kernel.errors import BadRequest
from cityloom.sensing.contracts import Answer, Body

MOST = 1000
REFERENCE = re.compile(rb'("@iot\.id"\s*:\s*)"\$([\w.-]+)"')
FIRST = re.compile(r"\s*(\S+)\s+(\S+)(?:\s+HTTP/\d\.\d)?\s*", re.IGNORECASE)
ROOT = re.compile(r"^(?:[a-z]+://[^/]+)?(?:/v1\.[01])?/?")
REASONS = {200: "OK", 201: "Created", 204: "No Content"}


class Part(msgspec.Struct, frozen=True):
    """One request of a batch. `name` is its Content-ID or id, by which later ones of its group may refer to what it made."""

    method: str
    url: str
    body: Body
    name: str = ""


class Group(msgspec.Struct, frozen=True):
    """Requests that are done together or not at all; or one alone."""

    parts: tuple[Part, ...]
    together: bool


def multipart(body: Body) -> list[Group]:
    """The groups of a multipart body. Raises BadRequest `sensing.batch_wrong`."""
    message = BytesParser().parsebytes(b"Content-Type: " + body.media.encode() + b"\r\n\r\n" + body.content)
    if not message.is_multipart():
        raise BadRequest("sensing.batch_wrong", reason="boundary")
    groups = []
    for part in _inside(message):
        if part.is_multipart():
            groups.append(Group(tuple(_request(each) for each in _inside(part)), together=True))
        else:
            groups.append(Group((_request(part),), together=False))
    return _checked(groups)


def _inside(message: Message) -> list[Message]:
    found = message.get_payload()
    return [each for each in found if isinstance(each, Message)] if isinstance(found, list) else []


def _request(part: Message) -> Part:
    payload = part.get_payload(decode=True)
    content = (payload if isinstance(payload, bytes) else b"").lstrip(b"\r\n").replace(b"\r\n", b"\n")
    head, _, body = content.partition(b"\n\n")
    line, _, headers = head.decode("utf-8", "replace").partition("\n")
    found = FIRST.fullmatch(line)
    if part.get_content_type() != "application/http" or found is None:
        raise BadRequest("sensing.batch_wrong", reason=line[:80])
    inner = BytesParser().parsebytes(headers.encode() + b"\n\n")
    media = str(inner.get("content-type", "application/json"))
    return Part(found[1].upper(), found[2], Body(body.strip(), media), str(part.get("content-id", "")).strip(" <>"))


class Item(msgspec.Struct, frozen=True):
    """One request of a batch in JSON."""

    id: str | int
    method: str
    url: str
    body: Any = None
    group: str = msgspec.field(name="atomicityGroup", default="")
    headers: dict[str, str] = {}


class Items(msgspec.Struct, frozen=True):
    """A batch in JSON."""

    requests: tuple[Item, ...]


def json(content: bytes) -> list[Group]:
    """The groups of a body in JSON. Raises BadRequest `sensing.batch_wrong`."""
    try:
        items = msgspec.json.decode(content, type=Items).requests
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest("sensing.batch_wrong", reason=str(error)[:80]) from error
    groups: list[Group] = []
    known: dict[str, int] = {}
    for item in items:
        part = Part(item.method.upper(), item.url, _body(item), str(item.id))
        if item.group in known:
            before = groups[known[item.group]]
            groups[known[item.group]] = msgspec.structs.replace(before, parts=(*before.parts, part))
            continue
        if item.group:
            known[item.group] = len(groups)
        groups.append(Group((part,), bool(item.group)))
    return _checked(groups)


def _body(item: Item) -> Body:
    media = {name.lower(): value for name, value in item.headers.items()}.get("content-type", "application/json")
    return Body(b"" if item.body is None else msgspec.json.encode(item.body), media)


def _checked(groups: list[Group]) -> list[Group]:
    if sum(len(group.parts) for group in groups) > MOST:
        raise BadRequest("sensing.batch_wrong", reason=f"> {MOST}")
    return groups


def resolved(part: Part, made: Mapping[str, str]) -> tuple[str, str, bytes]:
    """Path, query and body of a request, with `$name` replaced by what was made under that name (`Things(1)`)."""
    plain = ROOT.sub("", part.url, count=1)
    path, _, query = plain.partition("?")
    first, slash, rest = path.partition("/")
    if first.startswith("$") and first[1:] in made:
        path = made[first[1:]] + slash + rest

    def id_of(match: re.Match[bytes]) -> bytes:
        link = made.get(match[2].decode(), "")
        return match[1] + link[link.find("(") + 1 : -1].encode() if link else match[0]

    return path, query, REFERENCE.sub(id_of, part.body.content)


class Told(msgspec.Struct, frozen=True):
    """A request and its answer."""

    part: Part
    answer: Answer


def as_multipart(groups: Sequence[tuple[Group, Sequence[Told]]]) -> Answer:
    """The answers as multipart/mixed; a group that failed has one, that of what failed."""
    mark = f"batch_{uuid4().hex}"
    lines: list[bytes] = []
    for group, told in groups:
        lines.append(f"--{mark}\r\n".encode())
        if group.together and not (len(told) == 1 and told[0].answer.status >= 400):
            inner = f"changeset_{uuid4().hex}"
            lines.append(f"Content-Type: multipart/mixed; boundary={inner}\r\n\r\n".encode())
            for each in told:
                lines += [f"--{inner}\r\n".encode(), _response(each)]
            lines.append(f"--{inner}--\r\n".encode())
        else:
            lines += [_response(each) for each in told]
    lines.append(f"--{mark}--\r\n".encode())
    return Answer(body=b"".join(lines), media=f"multipart/mixed; boundary={mark}")


def _response(told: Told) -> bytes:
    answer = told.answer
    head = ["Content-Type: application/http", "Content-Transfer-Encoding: binary"]
    if told.part.name:
        head.append(f"Content-ID: {told.part.name}")
    head += ["", f"HTTP/1.1 {answer.status} {REASONS.get(answer.status, 'Error')}"]
    head += [f"Location: {answer.location}"] if answer.location else []
    head += [f"Content-Type: {answer.media}"] if answer.body else []
    return "\r\n".join([*head, "", ""]).encode() + answer.body + b"\r\n"


def as_json(groups: Sequence[tuple[Group, Sequence[Told]]]) -> Answer:
    """The answers in JSON, each with the id of its request."""
    responses = []
    for _, told in groups:
        for each in told:
            found: dict[str, Any] = {"id": each.part.name, "status": each.answer.status}
            if each.answer.location:
                found["location"] = each.answer.location
            if each.answer.body:
                found["body"] = _shown(each.answer)
            responses.append(found)
    return Answer(body=msgspec.json.encode({"responses": responses}))


def _shown(answer: Answer) -> Any:
    return msgspec.Raw(answer.body) if "json" in answer.media else answer.body.decode("utf-8", "replace")
