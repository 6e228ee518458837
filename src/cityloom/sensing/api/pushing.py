"""Platforms of devices push over HTTP what their devices said (NB-IoT, LoRaWAN): read as a mapping of a pack says.

A platform shows a token of an account; one that cannot send headers signs with the push key of an organisation and a mapping,
which is derived from the city's key for devices, so that it is stored nowhere.
"""

import base64
import hashlib
import hmac
from threading import Lock
from weakref import WeakKeyDictionary

import msgspec

from cityloom.kernel.access import Principal
from cityloom.kernel.context import Context, Parts
from cityloom.kernel.db import Database
from cityloom.kernel.errors import BadRequest, NotFound, Unauthorised, Unavailable
from cityloom.kernel.jobs import platform_context
from cityloom.sensing.api import admitting, ingest
from cityloom.sensing.api.publishing import Publishing
from cityloom.sensing.contracts.mqtt import Arrived, Guest, Outcome, PushKey, Receipt
from cityloom.sensing.spec.mappings import Mapping, mappings

_keepers: WeakKeyDictionary[Database, tuple[Publishing, Lock]] = WeakKeyDictionary()
"""For each open database, what keeps pushes: one at a time, for it remembers devices."""


class OneNet(msgspec.Struct, frozen=True):
    """The envelope of OneNET: `msg` is signed as the text that it is."""

    msg: msgspec.Raw
    msg_signature: str
    nonce: str


def push(ctx: Context, name: str, content: bytes, source: str = "") -> Receipt:
    """Keep a push. Right `sensing.observe`. What cannot be read is put aside, so that the platform does not send it for ever.

    Raises NotFound `sensing.mapping_unknown`, Refused, Unavailable.
    """
    how = _mapping(ctx, name)
    ctx.require("sensing.observe", ingest.resource(ctx.principal.organisation))
    return _kept(ctx, name, how, content, source)


def signed(parts: Parts, name: str, organisation: str, content: bytes, signature: str, source: str = "") -> Receipt:
    """Keep a push that is signed with the push key: `signature` is `sha256=` and the HMAC of the content in hexadecimal; a
    platform that signs in its own way has it inside.

    Raises NotFound `sensing.mapping_unknown`, Unauthorised `sensing.signature_wrong`, Unavailable.
    """
    ctx = platform_context(parts, "push")
    how = _mapping(ctx, name)
    key = _key(ctx, name, organisation)
    if how.signature == "onenet":
        content = _onenet(key, content)
    else:
        wanted = "sha256=" + hmac.new(key.encode(), content, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(wanted.encode(), signature.strip().lower().encode()):
            raise Unauthorised("sensing.signature_wrong")
    own = msgspec.structs.replace(ctx, principal=Principal(f"push {name}", organisation, frozenset({"data_officer"})))
    return _kept(own, name, how, content, source)


def proved(parts: Parts, name: str, organisation: str, message: str, nonce: str, signature: str) -> str:
    """What OneNET wants to hear when an address is set: its message, if the signature is of our key.

    Raises NotFound `sensing.mapping_unknown`, Unauthorised `sensing.signature_wrong`.
    """
    ctx = platform_context(parts, "push")
    if _mapping(ctx, name).signature != "onenet":
        raise NotFound("sensing.mapping_unknown", name=name[:60])
    _right(_digest(_key(ctx, name, organisation), nonce, message), signature)
    return message


def key(ctx: Context, name: str) -> PushKey:
    """The push key of the caller's organisation for a mapping. Right `sensing.issue`.

    Raises NotFound `sensing.mapping_unknown`, Refused.
    """
    _mapping(ctx, name)
    organisation = ctx.principal.organisation
    ctx.require("sensing.issue", ingest.resource(organisation))
    with ctx.begin() as tx:
        ctx.record(tx, "sensing.push_key_shown", f"Mapping:{name}")
    return PushKey(name, f"/api/sensing/push/{name}/{organisation}", _key(ctx, name, organisation))


def _mapping(ctx: Context, name: str) -> Mapping:
    found = mappings(ctx.packs).get(name)
    if found is None:
        raise NotFound("sensing.mapping_unknown", name=name[:60])
    return found


def _key(ctx: Context, name: str, organisation: str) -> str:
    said = f"push\x1f{name}\x1f{organisation}".encode()
    return hmac.new(admitting.key(ctx), said, hashlib.sha256).hexdigest()[:32]


def _digest(key: str, nonce: str, message: str) -> str:
    """The signature of OneNET: MD5 over token, nonce and message, in Base64."""
    whole = hashlib.md5((key + nonce + message).encode(), usedforsecurity=False)
    return base64.b64encode(whole.digest()).decode()


def _right(wanted: str, signature: str) -> None:
    """Raises Unauthorised; a + may have become a space on its way through an address."""
    if not hmac.compare_digest(wanted.encode(), signature.replace(" ", "+").encode()):
        raise Unauthorised("sensing.signature_wrong")


def _onenet(key: str, content: bytes) -> bytes:
    """The content with `msg` as JSON, whichever way it was sent. Raises Unauthorised, BadRequest `sensing.body_wrong`."""
    try:
        said = msgspec.json.decode(content, type=OneNet)
        inner = bytes(said.msg)
        text = msgspec.json.decode(inner, type=str) if inner[:1] == b'"' else inner.decode()
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadRequest("sensing.body_wrong", reason=str(error)[:120]) from error
    _right(_digest(key, said.nonce, text), said.msg_signature)
    return b'{"msg":' + text.encode() + b"}"


def _kept(ctx: Context, name: str, how: Mapping, content: bytes, source: str) -> Receipt:
    said = Arrived(f"http/{name}", content, ctx.clock.now(), Guest(ctx.principal), source=source)
    found = _keepers.get(ctx.parts.db)
    if found is None:
        found = _keepers.setdefault(ctx.parts.db, (Publishing(platform_context(ctx.parts, "push")), Lock()))
    keeper, lock = found
    with lock:
        outcome, strays = keeper.push(said, how)
    if outcome is Outcome.unavailable:
        raise Unavailable("kernel.database_unreachable")
    return Receipt(1, strays)
