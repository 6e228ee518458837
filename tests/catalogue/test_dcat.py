"""DCAT-AP 3: valid by its shapes, lossless both ways, tolerant of others', exact about faults."""

import json
import socket
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
from catalogue_kit import Door, Town, item, refused, wish
from hypothesis import given, settings
from hypothesis import strategies as st
from pyshacl import validate
from rdflib import Graph, Literal

from cityloom.catalogue.contracts import Item, Resource, ResourceWish
from cityloom.catalogue.rules import dcat, dcat_in, dcat_out
from cityloom.kernel.errors import Problem
from cityloom.kernel.words import Text

SHAPES = Path(__file__).parents[3] / "shared" / "data" / "standards" / "dcat_ap"
LAW = {"zh": "《中华人民共和国统计法》第九条", "en": "Statistics Law, article 9"}
FULL = wish(
    "住宅小区", "housing",
    item("小区编码", "Estate code", length=12, authoritative=True, required=True, standard="GB/T 1"),
    item("地址", element="address", qualifier="坐落", grade=2),
    item("业主", "Owner", type="timestamp", grade=3, personal=True),
    en="Estates", summary={"zh": "全市小区", "en": "All estates"}, subject="place", category="103001",
    keeper_code="11440300MB2D00001X", legal_basis={"zh": "《物业管理条例》第六条", "en": "Property Regulations"},
    sharing="conditional", sharing_condition={"zh": "限行政审批", "en": ""}, sharing_way="interface",
    openness="conditional", open_condition={"zh": "汇总后", "en": "aggregated"}, cycle="half_year",
    carrier="spreadsheet", format="xlsx", issued="2026-01-31", related=["9", "101000/000001"],
)  # fmt: skip
FOREIGN = """
@prefix dcat: <http://www.w3.org/ns/dcat#> . @prefix dct: <http://purl.org/dc/terms/> .
@prefix foaf: <http://xmlns.com/foaf/0.1/> . @prefix xsd: <http://www.w3.org/2001/XMLSchema#> .
<https://data.example.org/set/Air%20Quality> a dcat:Dataset ; dct:title "Air quality"@en, "Luftqualität"@de ;
  dct:description "Hourly values" ; dct:publisher [ a foaf:Agent ; foaf:name "Housing Bureau" ] ;
  dct:accessRights <http://publications.europa.eu/resource/authority/access-right/PUBLIC> ;
  dct:accrualPeriodicity <http://publications.europa.eu/resource/authority/frequency/BIENNIAL> ;
  dct:issued "2020-05-06"^^xsd:date ; dcat:distribution [ a dcat:Distribution ; dct:format "CSV" ] .
<https://data.example.org/set/faulty> a dcat:Dataset ; dct:description "x" ; dct:issued "2020-02-31" ;
  dct:accrualPeriodicity "now and then" ; dct:publisher <https://data.example.org/nobody> ;
  dct:accessRights <http://publications.europa.eu/resource/authority/access-right/SOMETIMES> .
"""


@cache
def shapes() -> Graph:
    if not SHAPES.is_dir():
        pytest.skip(f"the DCAT-AP shapes are not beside the checkout ({SHAPES.name})")
    graph = Graph()
    for name in ("dcat-ap-SHACL.ttl", "shapes.ttl", "range.ttl"):
        graph.parse(SHAPES / name)
    return graph


def conforms(content: bytes, format: str) -> None:
    valid, _, told = validate(Graph().parse(data=content, format=format), shacl_graph=shapes())
    assert valid, told


def fetch(door: Door, ending: str, **query: Any) -> bytes:
    answer = door.call("GET", f"dcat.{ending}", params=query)
    assert answer.status_code == 200, answer.text
    return bytes(answer.content)


def hand_in(door: Door, content: bytes | str, media: str = "text/turtle", **query: Any) -> Any:
    body = content.encode() if isinstance(content, str) else content
    return door.call("POST", "dcat-imports", content=body, params=query, headers={"content-type": media})


@pytest.fixture
def stocked(housing: Door) -> Door:
    housing.describe("estate", FULL)
    housing.describe("closed", wish("统计台账", "housing", sharing="refused", refusal_law=LAW))
    why = {"zh": "按街道汇总", "en": "by street"}
    housing.describe("count", wish("小区统计", "housing", derived_from=["resident", "estate"], regraded=why))
    return housing


def test_what_we_give_is_valid_by_the_shapes(stocked: Door) -> None:
    conforms(fetch(stocked, "ttl"), "turtle")
    conforms(fetch(stocked, "jsonld"), "json-ld")


def test_the_shapes_refuse_what_is_wrong() -> None:
    """The check above can fail."""
    graph = Graph().parse(data=FOREIGN, format="turtle")
    assert validate(graph, shacl_graph=shapes())[0] is False


@pytest.mark.parametrize(("ending", "media"), [("ttl", "text/turtle"), ("jsonld", "application/ld+json")])
def test_what_went_out_comes_back_the_same(town: Town, stocked: Door, ending: str, media: str) -> None:
    before = town.everything()
    done = hand_in(stocked, fetch(stocked, ending, keeper="housing"), media).json()
    assert (done["read"], done["unchanged"], done["faults"]) == (3, 3, []), done
    assert town.everything() == before
    told = hand_in(stocked, fetch(stocked, ending), media).json()
    assert [each["code"] for each in told["faults"]] == ["catalogue.sheet.not_yours"]


def test_a_foreign_catalogue_is_understood_and_its_faults_are_named(town: Town, housing: Door) -> None:
    trial = hand_in(housing, FOREIGN, trial=True).json()
    assert (trial["added"], trial["refused"]) == (1, 1)
    assert housing.get("resources", keeper="housing")["total"] == 0
    done = hand_in(housing, FOREIGN).json()
    assert {(each["subject"].rpartition("/")[2], each["column"], each["code"]) for each in done["faults"]} == {
        ("faulty", "dct:title", "catalogue.rdf.no_title"),
        ("faulty", "dct:issued", "catalogue.rdf.day_wrong"),
        ("faulty", "dct:accrualPeriodicity", "catalogue.rdf.value_unknown"),
        ("faulty", "dct:publisher", "catalogue.rdf.keeper_unknown"),
        ("faulty", "dct:accessRights", "catalogue.rdf.value_unknown"),
    }
    assert all(each["problem"] and each["remedy"] for each in done["faults"])
    air = housing.get("resources/air-20quality")["record"]
    assert (air["title"], air["openness"], air["format"], air["issued"]) == (
        {"en": "Air quality", "zh": ""},
        "open",
        "CSV",
        "2020-05-06",
    )
    assert hand_in(housing, FOREIGN).json()["unchanged"] == 1
    mine = hand_in(housing, FOREIGN.replace("Housing Bureau", "Ministry of Air"), keeper="housing").json()
    assert mine["unchanged"] == 1


PREFIXES = """
@prefix dcat: <http://www.w3.org/ns/dcat#> . @prefix dct: <http://purl.org/dc/terms/> .
@prefix foaf: <http://xmlns.com/foaf/0.1/> . @prefix cl: <urn:cityloom:catalogue:> .
@prefix csvw: <http://www.w3.org/ns/csvw#> .
<https://e.org/ok> a dcat:Dataset ; dct:title "好的"@zh ; dct:publisher [ foaf:name "住房和建设局" ] .
"""
OURS = 'dct:publisher [ foaf:name "住房和建设局" ]'


@pytest.mark.parametrize(
    ("said", "faults", "taken"),
    [
        (
            f'[] a dcat:Dataset ; dct:title "匿名二" . [] a dcat:Dataset ; dct:title "匿名"@zh ; {OURS} .',
            {("[] 匿名二", "dct:publisher", "no_publisher")}, 2,
        ),
        (
            '_:x a dcat:Dataset ; dct:title "自环" ; dct:publisher _:x ; dct:conformsTo _:x ; dcat:distribution _:x .',
            {("[] 自环", "dct:publisher", "keeper_unknown")}, 1,
        ),
        (
            f'''<https://e.org/e> a dcat:Dataset ; dct:title "e" ; {OURS} ; dct:conformsTo [
            csvw:column [ csvw:name "x" ; csvw:datatype "geometry" ; cl:grade "9" ],
              [ csvw:name "y" ; cl:grade "high" ; cl:length "long" ] ] .''',
            {
                ("https://e.org/e", "csvw:datatype ([] x)", "value_left_out"),
                ("https://e.org/e", "cl:grade ([] x)", "value_unknown"),
                ("https://e.org/e", "cl:grade ([] y)", "value_unknown"),
                ("https://e.org/e", "cl:length ([] y)", "number_wrong"),
            }, 1,
        ),
        (
            f'''<https://e.org/a> a dcat:Dataset ; dct:title "a" ; {OURS} ; cl:derivedFrom ("b") .
            <https://e.org/b> a dcat:Dataset ; dct:title "b" ; {OURS} ; cl:derivedFrom ("a") .
            <https://e.org/early> a dcat:Dataset ; dct:title "early" ; {OURS} ; cl:derivedFrom ("late") .
            <https://e.org/late> a dcat:Dataset ; dct:title "late" ; {OURS} .''',
            {
                ("https://e.org/a", "cl:derivedFrom", "derived_circle"),
                ("https://e.org/b", "cl:derivedFrom", "derived_circle"),
            }, 3,
        ),
        (
            '<rel/a> a dcat:Dataset ; dct:title "rel" ; dct:publisher <housing> . <rel/b> a dcat:Dataset ; dct:title "b" .',
            {("rel/b", "dct:publisher", "no_publisher")}, 2,
        ),
        (
            f'''<https://e.org/a> a dcat:Dataset ; dct:title "a" ; {OURS} ; dct:accessRights <http://example.org/ar/who> ;
              dct:accrualPeriodicity <http://publications.europa.eu/resource/authority/frequency/NOSUCH> .
            <https://e.org/s> a dcat:Dataset ; dct:title "s" ; {OURS} ; cl:sharing "maybe" ; cl:sharingWay "pigeon" ;
              dcat:distribution [ cl:carrier "papyrus" ] .''',
            {
                ("https://e.org/a", "dct:accessRights", "value_left_out"),
                ("https://e.org/a", "dct:accrualPeriodicity", "value_unknown"),
                ("https://e.org/s", "cl:sharing", "value_unknown"),
                ("https://e.org/s", "cl:sharingWay", "value_unknown"),
                ("https://e.org/s", "cl:carrier ([])", "value_unknown"),
            }, 1,
        ),
        (
            f'<https://e.org/a> a dcat:Dataset ; dct:title "{"长" * 100_000}" ; dct:description "{"x" * 100_000}" ; {OURS} .',
            {("https://e.org/a", "dct:title", "too_long"), ("https://e.org/a", "dct:description", "too_long")}, 1,
        ),
        (
            f'<https://f.org/ok> a dcat:Dataset ; dct:title "别的"@zh ; {OURS} .',
            {("https://f.org/ok", "dct:title", "twice")}, 1,
        ),
    ],
    ids=["blank", "itself", "items", "circle", "relative", "vocabulary", "huge", "twice"],
)  # fmt: skip
def test_every_fault_is_named_by_node_and_property_and_the_rest_is_taken(
    town: Town, housing: Door, said: str, faults: set[tuple[str, str, str]], taken: int
) -> None:
    done = hand_in(housing, PREFIXES + said).json()
    assert {(each["subject"], each["column"], each["code"].rpartition(".")[2]) for each in done["faults"]} == faults
    assert all(each["problem"] and each["remedy"] for each in done["faults"])
    assert done["added"] == taken
    assert done["read"] == taken + done["refused"]


@pytest.mark.parametrize("charset", ["gb18030", "utf-8-sig", "utf-16"])
def test_a_file_as_editors_here_save_it_is_read(housing: Door, charset: str) -> None:
    assert hand_in(housing, PREFIXES.encode(charset)).json()["added"] == 1
    rdf = """<?xml version="1.0" encoding="utf-16"?><r:RDF xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#"
      xmlns:dct="http://purl.org/dc/terms/" xmlns:dcat="http://www.w3.org/ns/dcat#"><dcat:Dataset r:about="https://e.org/x">
      <dct:title>x</dct:title><dct:publisher r:resource="https://e.org/housing"/></dcat:Dataset></r:RDF>"""
    if charset == "utf-16":
        assert hand_in(housing, rdf.encode(charset), "application/rdf+xml").json()["added"] == 1
        evil = rdf.replace("?>", '?><!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]>').replace(">x<", ">&x;<")
        refused(hand_in(housing, evil.encode(charset), "application/rdf+xml"), 422, "catalogue.rdf_broken")


def test_what_cannot_be_parsed_is_named_by_its_line(housing: Door) -> None:
    told = refused(hand_in(housing, PREFIXES + '<https://e.org/a> dct:title "b"@en_US .'), 422, "catalogue.rdf_broken")
    assert (
        "line 6, expected '.' or '}' or ']' at end of statement: <https://e.org/a> dct:title \"b\"@en_US ."
        in told["detail"]
    )


def test_no_context_is_ever_fetched(housing: Door) -> None:
    """Neither that of the file nor one inside a term: whoever listens there hears nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}/context.jsonld"
        inside = {"dct": "http://purl.org/dc/terms/", "p": {"@id": "dct:publisher", "@context": address}}
        for context in (address, [address], inside, {"@import": address}):
            content = json.dumps({"@context": context, "@id": "https://e.org/a", "p": {"@id": "housing"}})
            refused(hand_in(housing, content, "application/ld+json"), 422, "catalogue.rdf_broken")
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_a_file_of_another_organisation_is_refused_and_changes_nothing(town: Town, stocked: Door, psb: Door) -> None:
    content = fetch(stocked, "ttl", keeper="housing")
    before = town.everything()
    refused(hand_in(psb, content), 403, "kernel.refused")
    refused(hand_in(psb, FOREIGN, keeper="housing"), 403, "kernel.refused")
    refused(hand_in(psb, FOREIGN, keeper="nobody"), 422, "catalogue.resource.keeper_unknown")
    assert town.everything() == before


REMOTE = {"@context": "http://192.0.2.1/context.jsonld", "@id": "urn:a", "@type": "dcat:Dataset"}


@pytest.mark.parametrize(
    ("content", "media", "code"),
    [
        ("<urn:a> a <urn:b", "text/turtle", "catalogue.rdf_broken"),
        ("", "text/turtle", "catalogue.rdf_without_datasets"),
        ("{", "application/ld+json", "catalogue.rdf_broken"),
        (json.dumps(REMOTE), "application/ld+json", "catalogue.rdf_broken"),
        (json.dumps({"@graph": [{"@context": [{"@import": "http://192.0.2.1/"}]}]}), "application/ld+json", "catalogue.rdf_broken"),
        ("<!DOCTYPE a [<!ENTITY b 'c'>]><a/>", "application/rdf+xml", "catalogue.rdf_broken"),
        ("<a", "application/rdf+xml", "catalogue.rdf_broken"),
        ("[" * 20000, "application/ld+json", "catalogue.rdf_broken"),
        ("a,b", "text/csv", "catalogue.media_unknown"),
    ],
)  # fmt: skip
def test_what_is_no_rdf_is_a_problem(content: str, media: str, code: str) -> None:
    with pytest.raises(Problem) as caught:
        dcat.read(content.encode(), media)
    assert caught.value.code == code


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=12).filter(
    lambda text: text == text.strip()
)
BOTH = st.builds(Text, TEXT, TEXT)
ITEMS = st.builds(
    Item, BOTH, st.sampled_from(["text", "integer", "decimal", "number", "boolean", "date", "timestamp", "binary"]),
    st.none() | st.integers(1, 9999), TEXT, TEXT, st.integers(1, 4), st.booleans(), st.booleans(), st.booleans(), TEXT,
)  # fmt: skip
WISHES = st.builds(
    ResourceWish, title=BOTH, keeper=st.just("housing"), items=st.lists(ITEMS, max_size=4).map(tuple),
    sharing=st.sampled_from(["unconditional", "conditional", "refused"]), summary=BOTH | st.just(Text("", "")),
    subject=st.sampled_from(["", "person"]), category=st.just("101001"), code=st.just("101001/000007"),
    legal_basis=BOTH, sharing_condition=BOTH, sharing_way=st.sampled_from(["", "platform", "copy"]),
    refusal_law=st.none() | BOTH, openness=st.sampled_from(["open", "conditional", "closed"]), open_condition=BOTH,
    cycle=st.sampled_from(["real_time", "day", "week", "month", "quarter", "half_year", "year", "irregular"]),
    carrier=st.sampled_from(["document", "database", "other"]), format=TEXT, issued=st.none() | st.dates(),
    related=st.lists(TEXT, max_size=3).map(tuple), regraded=st.none() | BOTH,
)  # fmt: skip


@given(WISHES)
@settings(max_examples=60, deadline=None)
def test_every_description_survives_the_way_there_and_back(wished: ResourceWish) -> None:
    resource = Resource("a", wished.code, "housing", 1, 1, 1, wished, datetime(2026, 1, 1, tzinfo=UTC))
    title = Text("Housing", "住房")
    publisher = dcat_out.Publisher("http://city.test", "town", title, "data", {"housing": title}, {})
    for format, media in (("turtle", "text/turtle"), ("json-ld", "application/ld+json")):
        graph = dcat.read(dcat.written(dcat_out.graph_of([resource], publisher), format), media)
        reader = dcat_in.Reader(graph, {"housing": "housing"}, "")
        (found,) = reader.read()
        assert reader.faults == []
        assert found.id == "a"
        assert found.wish is not None
        assert msgspec.structs.asdict(found.wish) == msgspec.structs.asdict(wished)


@pytest.mark.parametrize(("name", "code"), [("length", "number_wrong"), ("grade", "value_unknown")])
@pytest.mark.parametrize(("said", "taken"), [("²", 0), ("9" * 5000, 0), ("9" * 10, 0), ("2", 1)])
def test_a_number_that_is_none_is_a_fault(
    town: Town, housing: Door, name: str, code: str, said: str, taken: int
) -> None:
    housing.describe("estate", wish("小区", "housing", item("编码", grade=3, length=7)))
    told = fetch(housing, "ttl", keeper="housing").decode()
    graph = Graph().parse(data=told, format="turtle")
    for column in list(graph.subjects(dcat.OWN[name])):
        graph.set((column, dcat.OWN[name], Literal(said)))
    done = hand_in(housing, graph.serialize(format="turtle"), effective_on="2026-05-01")
    assert done.status_code == 200, done.text
    assert done.json()["refused"] == 1 - taken, done.text
    assert {each["code"] for each in done.json()["faults"]} == (set() if taken else {f"catalogue.rdf.{code}"})


@pytest.mark.parametrize(
    "media", ["text/turtle", "application/ld+json", "application/rdf+xml", "application/n-triples"]
)
def test_a_file_of_too_many_triples_is_refused_while_it_is_parsed(monkeypatch: pytest.MonkeyPatch, media: str) -> None:
    graph = Graph().parse(data=FOREIGN, format="turtle")
    content = graph.serialize(format=dcat.FORMATS[media], encoding="utf-8")
    monkeypatch.setattr(dcat, "MOST_TRIPLES", len(graph))
    assert len(dcat.read(content, media)) == len(graph)
    monkeypatch.setattr(dcat, "MOST_TRIPLES", len(graph) - 1)
    with pytest.raises(Problem) as caught:
        dcat.read(content, media)
    assert caught.value.code == "catalogue.rdf_too_long"
