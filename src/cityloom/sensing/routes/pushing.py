"""The HTTP door for platforms of devices: what they push, read as the mappings of packs say."""

from typing import Annotated, Any

from litestar import Request, Response, get, post
from litestar.params import FromPath, FromQuery, HeaderParameter, RawBody

from cityloom.identity import api as identity
from cityloom.kernel import http
from cityloom.sensing.api import brokering, pushing
from cityloom.sensing.contracts.mqtt import BrokerFiles, PushKey, Receipt

AnyRequest = Request[Any, Any, Any]
TAGS = ["devices"]
ROOT = "/api/sensing/push/{mapping:str}"
SIGNED = f"{ROOT}/{{organisation:str}}"


@post(ROOT, tags=TAGS, summary="A platform pushes what its devices said", status_code=200, sync_to_thread=True)
def post_push(request: AnyRequest, mapping: FromPath[str], body: RawBody) -> Receipt:
    """With a token of an account, as Bearer or Basic. What cannot be read is put aside and answered with 200."""
    return pushing.push(identity.open_context(request), mapping, body, _source(request))


@post(SIGNED, tags=TAGS, summary="A platform pushes, signed with the push key", status_code=200, sync_to_thread=True)
def post_signed_push(
    request: AnyRequest, mapping: FromPath[str], organisation: FromPath[str], body: RawBody,
    x_signature: Annotated[str, HeaderParameter(name="x-signature")] = "",
) -> Receipt:  # fmt: skip
    """`X-Signature: sha256=…` is the HMAC of the body; OneNET signs inside it."""
    return pushing.signed(http.parts_of(request), mapping, organisation, body, x_signature, _source(request))


@get(SIGNED, tags=TAGS, summary="OneNET asks whether the address is ours", media_type="text/plain", sync_to_thread=True)
def get_push(
    request: AnyRequest, mapping: FromPath[str], organisation: FromPath[str], msg: FromQuery[str] = "",
    nonce: FromQuery[str] = "", signature: FromQuery[str] = "",
) -> Response[str]:  # fmt: skip
    """Its message comes back where it is signed with our key."""
    found = pushing.proved(http.parts_of(request), mapping, organisation, msg, nonce, signature)
    return Response(found, media_type="text/plain")


@post(
    "/api/sensing/push-keys/{mapping:str}", tags=TAGS, summary="Show the push key", status_code=200, sync_to_thread=True
)
def post_push_key(request: AnyRequest, mapping: FromPath[str]) -> PushKey:
    """Of our organisation for a mapping."""
    return pushing.key(identity.open_context(request), mapping)


@get("/api/sensing/broker-files", tags=TAGS, summary="Passwords and access list for Mosquitto", sync_to_thread=True)
def get_broker_files(request: AnyRequest) -> BrokerFiles:
    """Of all devices that speak MQTT; for whoever looks after the MQTT port."""
    return brokering.files(identity.open_context(request))


def _source(request: AnyRequest) -> str:
    return request.client.host if request.client else ""


ROUTES = (post_push, post_signed_push, get_push, post_push_key, get_broker_files)
