"""The API's description (OpenAPI 3.1), mended where what is generated does not say what is answered."""

from typing import Any

import msgspec
from litestar import Request
from litestar.openapi.plugins import JsonRenderPlugin

from cityloom.kernel.http import PROBLEM_TYPE, ProblemDocument

SCHEMA, RESPONSE = "#/components/schemas/{name}", "#/components/responses/Problem"
PROBLEM: dict[str, Any] = {
    "description": "Problem details (RFC 9457)",
    "content": {PROBLEM_TYPE: {"schema": {"$ref": SCHEMA.format(name=ProblemDocument.__name__)}}},
}


class Description(JsonRenderPlugin):
    """The document as JSON."""

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        return super().render(request, mended(openapi_schema))


def mended(document: dict[str, Any]) -> dict[str, Any]:
    """The document of an application in which whatever is no answer of an operation's own is a problem document."""
    found: dict[str, Any] = _without_ellipsis(document)
    paths = {
        path: {method: _with_problem(operation) for method, operation in item.items()}
        for path, item in found["paths"].items()
    }
    components = found.get("components", {})
    _, schemas = msgspec.json.schema_components([ProblemDocument], ref_template=SCHEMA)
    more = {"schemas": {**components.get("schemas", {}), **schemas}, "responses": {"Problem": PROBLEM}}
    return {**found, "paths": paths, "components": {**components, **more}}


def _with_problem(operation: Any) -> Any:
    """In place of the 400 in Litestar's own form, which is never answered."""
    if not isinstance(operation, dict) or "responses" not in operation:
        return operation
    own = {status: _or_problem(status, each) for status, each in operation["responses"].items() if status != "400"}
    return {**operation, "responses": {**own, "default": {"$ref": RESPONSE}}}


def _or_problem(status: str, response: dict[str, Any]) -> dict[str, Any]:
    """A delivery that is refused whole has a receipt, and one that cannot be tried a problem: both are 422."""
    if status < "400":
        return response
    return {**response, "content": {**response.get("content", {}), **PROBLEM["content"]}}


def _without_ellipsis(value: Any) -> Any:
    """Litestar takes the dots of `tuple[str, ...]` for a second kind of member, and then nothing fits exactly one."""
    if isinstance(value, list):
        return [_without_ellipsis(each) for each in value]
    if not isinstance(value, dict):
        return value
    kinds = value.get("oneOf")
    if isinstance(kinds, list) and len(kinds) == 2 and kinds[1] == {}:
        return _without_ellipsis(kinds[0])
    return {name: _without_ellipsis(each) for name, each in value.items()}
