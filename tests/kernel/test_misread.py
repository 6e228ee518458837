"""Whoever sends what cannot be read is told where, and what would do, in his language."""

import enum
from collections.abc import Iterator
from datetime import date
from typing import Annotated, Any, Literal

import msgspec
import pytest
from litestar import Litestar, MediaType, Request, Response, get, post
from litestar.exceptions import HTTPException
from litestar.params import FromQuery, JSONBody, QueryParameter
from litestar.testing import TestClient

from cityloom.kernel import misread, words

WORDS = words.load(["cityloom.kernel"])


class Colour(enum.Enum):
    red = "red"
    blue = "blue"


class Part(msgspec.Struct):
    colour: Colour
    number: Annotated[int, msgspec.Meta(ge=1)] = 1
    size: Literal["large", "small"] = "small"


class Whole(msgspec.Struct, forbid_unknown_fields=True):
    name: Annotated[str, msgspec.Meta(min_length=1)]
    parts: list[Part] = []
    by_name: dict[str, Part | None] = {}
    day: date | None = None


@post("/whole")
async def post_whole(data: JSONBody[Whole]) -> str:
    return data.name


@get("/parts")
async def list_parts(limit: Annotated[int, QueryParameter(ge=1, le=5)], colour: FromQuery[Colour] = Colour.red) -> str:
    return f"{limit} {colour}"


def told(request: Request[Any, Any, Any], error: HTTPException) -> Response[str]:
    language = request.headers["accept-language"]
    said = misread.reason(error, request.scope.get("route_handler"), WORDS, language)
    return Response(said, status_code=error.status_code, media_type=MediaType.TEXT)


@pytest.fixture(scope="module")
def client() -> Iterator["TestClient[Any]"]:
    with TestClient(Litestar([post_whole, list_parts], exception_handlers={HTTPException: told})) as found:
        yield found


@pytest.mark.parametrize(
    ("body", "en", "zh"),
    [
        ("", "the body is missing", "缺少请求正文"),
        ('{"name"', "the body ends before its end", "请求正文不完整"),
        ("{name}", "the body is no JSON from byte 1 on", "请求正文自第 1 字节起不是合法的 JSON"),
        ("{}", "`name` is missing", "缺少 `name`"),
        ("[]", "an object is expected, not a list", "应为对象，不应为列表"),
        ('{"name": "a", "nmae": 1}', "`nmae` is not known here", "此处没有 `nmae` 这一项"),
        ('{"name": 1}', "name: a text is expected, not a whole number", "name: 应为文本，不应为整数"),
        ('{"name": ""}', "name: a text of length >= 1 is expected", "name: 应为长度 >= 1 的文本"),
        ('{"name": "a", "day": "soon"}', "day: a day (2026-01-31) is expected", "day: 应为日期（2026-01-31）"),
        (
            '{"name": "a", "parts": [{"colour": "red"}, {"colour": "green"}]}',
            "parts[1].colour: 'green' is none of red, blue", "parts[1].colour: 'green' 不是可用的取值，可用：red, blue",
        ),
        (
            '{"name": "a", "parts": [{"colour": "red", "size": "huge"}]}',
            "parts[0].size: 'huge' is none of large, small", "parts[0].size: 'huge' 不是可用的取值，可用：large, small",
        ),
        (
            '{"name": "a", "parts": [{"colour": "red", "number": 0}]}',
            "parts[0].number: a whole number >= 1 is expected", "parts[0].number: 应为 >= 1 的整数",
        ),
    ],
)  # fmt: skip
def test_a_body(client: "TestClient[Any]", body: str, en: str, zh: str) -> None:
    assert client.post("/whole", content=body, headers={"accept-language": "en"}).text == en
    assert client.post("/whole", content=body, headers={"accept-language": "zh"}).text == zh


@pytest.mark.parametrize(
    ("query", "en"),
    [
        ("", "`limit` is missing"),
        ("limit=9", "limit: a whole number <= 5 is expected"),
        ("limit=x", "limit: a whole number is expected, not a text"),
        ("limit=1&colour=green", "colour: 'green' is none of red, blue"),
    ],
)
def test_a_parameter(client: "TestClient[Any]", query: str, en: str) -> None:
    assert client.get(f"/parts?{query}", headers={"accept-language": "en"}).text == en


def test_words_that_are_not_known_are_told_as_they_are() -> None:
    assert misread.reason(HTTPException("Teapot", status_code=418), None, WORDS, "zh") == "Teapot"
