"""The straight way for handlers that are asked a thousand times a second: from the body to the handler and back.

Litestar's own way takes twice as long as all that such a handler does: a chain of middleware, parameters drawn one by one,
a response object. Whatever is out of the ordinary (a body that breaks off or is too large, one that does not decode, a wrong
address) goes that way nevertheless, and is told there what is wrong.
"""

from functools import lru_cache
from typing import Any

import msgspec
from litestar import Request
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp, Receive, ReceiveMessage, Scope, Send

MOST_BYTES = 1 << 16
"""Larger bodies go the long way, where limits are checked."""
ENCODER = msgspec.json.Encoder()
JSON = (b"content-type", b"application/json")


def straight(app: ASGIApp) -> ASGIApp:
    """Middleware of a handler `async (request, data, one parameter of the path or none) -> struct`, both as JSON."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        messages = await _body(receive)
        arguments = _arguments(scope, messages)
        if arguments is None:
            await app(scope, _again(messages, receive), send)
            return
        handler: HTTPRouteHandler = scope["route_handler"]  # type: ignore[assignment]
        answer = handler.fn(request=Request(scope, receive), **arguments)
        await _send(send, handler.status_code, ENCODER.encode(await answer))

    return wrapped


async def _body(receive: Receive) -> list[ReceiveMessage]:
    """The messages of a body, or of the beginning of one that is too large."""
    messages, size = [], 0
    while size <= MOST_BYTES:
        message = await receive()
        messages.append(message)
        if message["type"] != "http.request" or not message["more_body"]:
            break
        size += len(message["body"])
    return messages


def _arguments(scope: Scope, messages: list[ReceiveMessage]) -> dict[str, Any] | None:
    """What the handler is called with; None for what is out of the ordinary."""
    last = messages[-1]
    if last["type"] != "http.request" or last["more_body"]:
        return None
    body = b"".join(message["body"] for message in messages if message["type"] == "http.request")
    decoder, path = _shapes(scope["route_handler"])
    try:
        found = msgspec.convert(scope["path_params"], path)
        return {**msgspec.structs.asdict(found), "data": decoder.decode(body)}
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


@lru_cache(maxsize=100)
def _shapes(handler: HTTPRouteHandler) -> tuple[msgspec.json.Decoder[Any], type[msgspec.Struct]]:
    """What the body and the parameters of the path are read with."""
    shapes = {name: field.raw for name, field in handler.parsed_fn_signature.parameters.items() if name != "request"}
    body = msgspec.json.Decoder(shapes.pop("data"))
    return body, msgspec.defstruct("Path", list(shapes.items()))


def _again(messages: list[ReceiveMessage], receive: Receive) -> Receive:
    """Gives first the messages that were taken."""
    taken = iter(messages)

    async def given() -> ReceiveMessage:
        message = next(taken, None)
        return await receive() if message is None else message

    return given


async def _send(send: Send, status: int, body: bytes) -> None:
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [JSON, length]})
    await send({"type": "http.response.body", "body": body, "more_body": False})
