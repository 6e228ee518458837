"""The HTTP door of devices: their life, their secrets, what they said, and what the city senses."""

from typing import Annotated, Any

from litestar import Request, delete, get, patch, post
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter, RawBody

from cityloom.identity import api as identity
from cityloom.kernel import http
from cityloom.sensing.api import devices, health, importing, looking
from cityloom.sensing.contracts.devices import (
    Coverage,
    Device,
    DeviceChange,
    DeviceFilter,
    DeviceImport,
    DevicePage,
    DeviceWish,
    FramePage,
    Issued,
    Line,
    Made,
    MoveWish,
    NoteWish,
    SecretWish,
    StrayPage,
)

AnyRequest = Request[Any, Any, Any]
TAGS = ["devices"]
Id = Annotated[int, QueryParameter(ge=0, le=http.MOST_NUMBER)]
Limit = Annotated[int, QueryParameter(ge=1, le=1000)]
ROOT = "/api/sensing/devices"


@post(ROOT, tags=TAGS, summary="Register a device", sync_to_thread=True)
def post_device(request: AnyRequest, data: JSONBody[DeviceWish]) -> Made:
    """It waits for approval. Secrets that are made for it are shown in this answer and never again."""
    return devices.register(identity.open_context(request), data)


@get(ROOT, tags=TAGS, summary="Devices of our organisation", sync_to_thread=True)
def list_devices(
    request: AnyRequest, status: FromQuery[str] = "", station: FromQuery[str] = "", district: FromQuery[str] = "",
    group: FromQuery[str] = "", protocol: FromQuery[str] = "", number: FromQuery[str] = "", health: FromQuery[str] = "",
    after: Id = 0, limit: Limit = 200,
) -> DevicePage:  # fmt: skip
    """By id, with their signs of life; the next page is asked for with `after` = `next`."""
    wish = DeviceFilter(status, station, district, group, protocol, number, health)
    return devices.listing(identity.open_context(request), wish, after, limit)


@post(f"{ROOT}/import", tags=TAGS, summary="Register the devices of a sheet", status_code=200, sync_to_thread=True)
def post_devices(request: AnyRequest, body: RawBody, trial: FromQuery[bool] = True) -> DeviceImport:
    """An .xlsx or a CSV. On trial nothing is kept; otherwise all devices are, or with a fault anywhere none."""
    return importing.bring(identity.open_context(request), body, trial=trial)


@get(f"{ROOT}/{{id:int}}", tags=TAGS, summary="One device", sync_to_thread=True)
def get_device(request: AnyRequest, id: FromPath[int]) -> Device:
    """What it is, where it stands in its life, its numbers, its signs of life."""
    return devices.find(identity.open_context(request), id)


@patch(f"{ROOT}/{{id:int}}", tags=TAGS, summary="Write down what changed of a device", sync_to_thread=True)
def patch_device(request: AnyRequest, id: FromPath[int], data: JSONBody[DeviceChange]) -> Device:
    """Such as its firmware, or its place. What is not named stays."""
    return devices.change(identity.open_context(request), id, data)


@post(
    f"{ROOT}/{{id:int}}/moves",
    tags=TAGS,
    summary="Approve, refuse, suspend, resume, retire",
    status_code=200,
    sync_to_thread=True,
)
def post_device_move(request: AnyRequest, id: FromPath[int], data: JSONBody[MoveWish]) -> Device:
    """When it is approved its Thing and its Datastreams are made; when it is suspended it is not heard from then on."""
    return devices.move(identity.open_context(request), id, data)


@post(
    f"{ROOT}/{{id:int}}/secrets",
    tags=TAGS,
    summary="Give a number another secret",
    status_code=200,
    sync_to_thread=True,
)
def post_secret(request: AnyRequest, id: FromPath[int], data: JSONBody[SecretWish]) -> Issued:
    """The one before is no good any more. A secret that is made is shown in this answer and never again."""
    return devices.rotate(identity.open_context(request), id, data)


@delete(
    f"{ROOT}/{{id:int}}/secrets/{{protocol:str}}/{{number:str}}",
    tags=TAGS,
    summary="Revoke the secret of a number",
    status_code=204,
    sync_to_thread=True,
)
def delete_secret(request: AnyRequest, id: FromPath[int], protocol: FromPath[str], number: FromPath[str]) -> None:
    """The device is not heard until it gets another."""
    devices.revoke(identity.open_context(request), id, protocol, number)


@get(f"{ROOT}/{{id:int}}/log", tags=TAGS, summary="The log of a device", sync_to_thread=True)
def get_device_log(request: AnyRequest, id: FromPath[int]) -> list[Line]:
    """Every act and every note, the newest first."""
    return devices.lines(identity.open_context(request), id)


@post(
    f"{ROOT}/{{id:int}}/log", tags=TAGS, summary="Write into the maintenance log", status_code=200, sync_to_thread=True
)
def post_device_log(request: AnyRequest, id: FromPath[int], data: JSONBody[NoteWish]) -> list[Line]:
    """A line that nobody can change."""
    return devices.note(identity.open_context(request), id, data.note)


@get(f"{ROOT}/{{id:int}}/frames", tags=TAGS, summary="What a device said, as it was sent", sync_to_thread=True)
def get_frames(request: AnyRequest, id: FromPath[int], limit: Limit = 50) -> FramePage:
    """The newest frames, in hexadecimal, with what of them was forgiven."""
    return looking.frames(identity.open_context(request), id, limit)


@get("/api/sensing/quarantine", tags=TAGS, summary="What could not be read", sync_to_thread=True)
def list_quarantine(
    request: AnyRequest, device: Id = 0, reason: FromQuery[str] = "", before: Id = 0, limit: Limit = 100
) -> StrayPage:
    """Of our devices, and of strangers at the ports that we look after; the newest first."""
    return looking.strays(identity.open_context(request), device, reason, before, limit)


@get("/api/sensing/coverage", tags=TAGS, summary="What the city senses, by the sensing catalogue", sync_to_thread=True)
def get_coverage(request: AnyRequest, district: FromQuery[str] = "") -> Coverage:
    """Of each item how many devices of ours, how they are, and in which districts."""
    return health.coverage(identity.open_context(request), district)


ROUTES = (
    post_device, list_devices, post_devices, get_device, patch_device, post_device_move, post_secret, delete_secret,
    get_device_log, post_device_log, get_frames, list_quarantine, get_coverage,
)  # fmt: skip
