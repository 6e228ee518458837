"""Files that are too large, packed to burst, too wide, or not what they say: told plainly, and the city stays small."""

import gzip
import io
import json
import random
import time
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import httpx
import pytest

from faults.conftest import LAKE_MIB, Tell
from faults.running import RunningCity

CSV = "text/csv"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
NDJSON = "application/x-ndjson"
PARQUET = "application/vnd.apache.parquet"
MOST_MIB = LAKE_MIB + 800
"""What one process may ever have held: DuckDB's limit, Python with its libraries (250), a file's batches in between, and
what DuckDB allocates beside its limit (Arrow, Parquet writers, freed memory not yet given back)."""


@pytest.fixture(autouse=True)
def _the_city_stays_well(city: RunningCity, request: pytest.FixtureRequest) -> Iterator[None]:
    """After each file: the same processes, within their memory, nothing new in the spool, and an honest file gets in."""
    before, spooled = peaks(city), city.spooled()
    yield
    assert decided(city, f"after-{request.node.name}", b"item,amount\nhonest,1\n", CSV).status_code == 200
    after = peaks(city)
    assert set(after) == set(before), city.tail()
    assert max(after.values()) < MOST_MIB, after
    assert city.spooled() == spooled


def peaks(city: RunningCity, *modules: str) -> dict[int, int]:
    """The most memory that each worker process ever held (VmHWM), in MiB."""
    pids = [pid for module in modules or ("cityloom.server", "cityloom.worker") for pid in city.processes(module)]
    return {pid: int(Path(f"/proc/{pid}/status").read_text().split("VmHWM:")[1].split()[0]) >> 10 for pid in pids}


def decided(city: RunningCity, id: str, body: bytes | Iterator[bytes], media: str, **headers: str) -> httpx.Response:
    """Deliver and wait for what comes of it."""
    address = f"{city.url}/api/exchange/datasets/stock/deliveries/{id.replace('[', '.').replace(']', '')}"
    own = {"authorization": f"Bearer {city.token}", "accept-language": "en"}
    answer = httpx.put(address, content=body, headers={**own, "content-type": media, **headers}, timeout=600)
    end = time.monotonic() + 900
    while answer.status_code == 202 and time.monotonic() < end:
        time.sleep(0.1)
        answer = httpx.get(address, headers=own, timeout=60)
    return answer


def refused(answer: httpx.Response, code: str) -> None:
    """The whole file was refused, with this reason, words and a remedy; the refusal is signed."""
    assert answer.status_code == 422, answer.text
    receipt = answer.json()
    assert receipt["state"] == "refused"
    assert receipt["refusal"]["code"] == code
    assert receipt["refusal"]["detail"]
    assert receipt["refusal"]["remedy"]
    assert receipt["signature"]["algorithm"]


def zeros(mib: int) -> bytes:
    """That much of nothing, packed with gzip to a thousandth."""
    sink = io.BytesIO()
    with gzip.GzipFile(fileobj=sink, mode="wb", compresslevel=9) as packed:
        packed.write(b"item,amount,note\n")
        for _ in range(mib):
            packed.write(b"a,1,xxxxxxxxxxx\n" * (1 << 16))
    return sink.getvalue()


def test_a_gzip_bomb(city: RunningCity, tell: Tell) -> None:
    body = zeros(1200)
    started = time.monotonic()
    refused(decided(city, "bomb", body, CSV, **{"content-encoding": "gzip"}), "exchange.ratio_too_high")
    tell("gzip bomb", packed_mib=len(body) / (1 << 20), unpacked_mib=1200, seconds=time.monotonic() - started)


def test_a_gzip_bomb_that_says_it_is_a_csv(city: RunningCity) -> None:
    refused(decided(city, "sly", zeros(300), CSV), "exchange.ratio_too_high")


def workbook(sheet: Iterable[bytes], shared: Iterable[bytes] = ()) -> bytes:
    """An .xlsx of one sheet, whose XML is what is given."""
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    links = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types"><Default Extension="xml" ContentType="{kind}.sheet.main+xml"/>'
        f'<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="r1" Type="{links}/officeDocument" '
        'Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{links}"><sheets><sheet name="s" sheetId="1" r:id="r1"/>'
        "</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="r1" '
        f'Type="{links}/worksheet" Target="worksheets/sheet1.xml"/><Relationship Id="r2" Type="{links}/sharedStrings" '
        'Target="sharedStrings.xml"/></Relationships>',
    }
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as book:
        for name, text in parts.items():
            book.writestr(name, text)
        for name, content in (("xl/worksheets/sheet1.xml", sheet), ("xl/sharedStrings.xml", shared)):
            with book.open(name, "w", force_zip64=True) as part:
                for chunk in content:
                    part.write(chunk)
    return sink.getvalue()


def inflated(tag: bytes, mib: int) -> Iterator[bytes]:
    yield b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
    for _ in range(mib):
        yield tag * ((1 << 20) // len(tag))


def test_an_xlsx_bomb(city: RunningCity) -> None:
    body = workbook(inflated(b"<row><c><v>1</v></c></row>", 600))
    assert len(body) < 8 << 20
    answer = decided(city, "xlsx-bomb", body, XLSX)
    assert answer.json()["refusal"]["code"] in ("exchange.ratio_too_high", "exchange.unpacked_too_large")
    refused(answer, answer.json()["refusal"]["code"])


def test_an_xlsx_whose_shared_texts_burst(city: RunningCity) -> None:
    answer = decided(
        city, "shared-bomb", workbook(iter([b"<worksheet/>"]), inflated(b"<si><t>abcdefgh</t></si>", 400)), XLSX
    )
    assert answer.json()["refusal"]["code"].startswith("exchange.")
    refused(answer, answer.json()["refusal"]["code"])


def test_a_csv_with_a_million_columns(city: RunningCity) -> None:
    header = ",".join(f"c{number}" for number in range(1_000_000))
    refused(decided(city, "wide", f"{header}\n{'1,' * 999_999}1\n".encode(), CSV), "exchange.too_many_columns")


def test_an_ndjson_with_a_million_keys(city: RunningCity) -> None:
    line = json.dumps({f"k{number}": 1 for number in range(1_000_000)})
    answer = decided(city, "wide-json", line.encode() + b"\n", NDJSON)
    assert answer.status_code == 422, answer.text


def test_one_line_without_end(city: RunningCity) -> None:
    """The row is set aside, or the file refused; either way it does not stand in memory."""
    answer = decided(city, "endless", b"item,amount,note\na,1," + b"x" * (64 << 20), CSV)
    assert answer.status_code in (200, 422)
    if answer.status_code == 200:
        assert answer.json()["counts"]["quarantined"] == answer.json()["counts"]["rows_in"] == 1
    good = decided(city, "endless-first", b"item,amount,note\n" + b"y" * (64 << 20) + b"\nlast,1,\n", CSV)
    assert good.status_code in (200, 422)


NOISE = random.Random(1).randbytes(1 << 16)  # noqa: S311 - a test's dice
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + NOISE
WRONG = {
    "png": (PNG, CSV),
    "noise": (NOISE, CSV),
    "nul": (b"\0" * 4096, CSV),
    "noise-xlsx": (NOISE, XLSX),
    "noise-parquet": (NOISE, PARQUET),
    "half-parquet": (b"PAR1" + NOISE, PARQUET),
    "noise-ndjson": (NOISE, NDJSON),
    "utf16-as-utf8": (b"\xff\xfe" + "item,amount\na,1\n".encode("utf-16-le"), "text/csv; charset=utf-8"),
    "gbk-as-utf8": (
        ("item,amount,note\n" + "".join(f"k{n},1,户籍人口登记\n" for n in range(9))).encode("gbk"),
        "text/csv; charset=utf-8",
    ),
    "unknown-charset": (b"item,amount\na,1\n", "text/csv; charset=klingon"),
    "empty": (b"", CSV),
    "only-a-header": (b"item,amount\n", CSV),
    "unknown-media": (b"item,amount\na,1\n", "application/x-something"),
    "zip-as-xlsx": (b"PK\x03\x04" + NOISE, XLSX),
}


@pytest.mark.parametrize("what", sorted(WRONG))
def test_what_is_not_what_it_says(city: RunningCity, what: str) -> None:
    body, media = WRONG[what]
    answer = decided(city, what, body, media)
    if what == "only-a-header" and answer.status_code == 200:
        assert answer.json()["counts"]["rows_in"] == 0
    else:
        refused(answer, answer.json()["refusal"]["code"])


def test_one_broken_character_costs_one_row(city: RunningCity) -> None:
    good = "".join(f"g{number},1,深圳𠮷\n" for number in range(50))
    body = ("item,amount,note\n" + good).encode("gb18030") + b"bad,1,\xff\xff\n" + "last,1,南山\n".encode("gb18030")
    answer = decided(city, "broken-character", body, "text/csv; charset=gb18030")
    assert answer.status_code == 200, answer.text
    counts = answer.json()["counts"]
    assert (counts["rows_in"], counts["quarantined"]) == (52, 1)


@pytest.mark.parametrize("mib", [192, pytest.param(2148, marks=pytest.mark.full)])
def test_a_large_file(city: RunningCity, mib: int, tell: Tell) -> None:
    """Sent as it is made, received without its length, larger than what any process may hold."""
    note = "n" * 1000
    rows = (mib << 20) // (len(note) + 20)

    def made() -> Iterator[bytes]:
        yield b"item,amount,note\n"
        for start in range(0, rows, 500):
            yield b"".join(f"big{mib}n{n:010},{n},{note}\n".encode() for n in range(start, min(rows, start + 500)))

    before = peaks(city, "cityloom.server")
    started = time.monotonic()
    answer = decided(city, f"large-{mib}", made(), CSV)
    seconds = time.monotonic() - started
    assert answer.status_code == 200, answer.text
    receipt = answer.json()
    assert receipt["counts"] == receipt["counts"] | {"rows_in": rows, "accepted": rows, "quarantined": 0}
    web = max(mib - before[pid] for pid, mib in peaks(city, "cityloom.server").items())
    worker = max(peaks(city, "cityloom.worker").values())
    tell("large file", mib=mib, rows=rows, seconds=seconds, web_grew_mib=web, worker_mib=worker)
    assert web < 100
