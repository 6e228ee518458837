"""What the compilation guide and DCAT-AP 3 call the same things.

What DCAT has no word for stands in a namespace of our own, so that a resource comes back exactly as it went.
"""

import json
import re
from typing import Any

from rdflib import Graph, Namespace, URIRef
from rdflib.exceptions import Error as RdfError
from rdflib.namespace import DCAT, DCTERMS, FOAF, PROV, RDF, RDFS, SKOS, XSD
from rdflib.plugins.stores.memory import Memory
from rdflib.store import Store

from cityloom.kernel.errors import Invalid, TooLarge, Unsupported

OWN = Namespace("urn:cityloom:catalogue:")
CSVW = Namespace("http://www.w3.org/ns/csvw#")
FREQUENCY = Namespace("http://publications.europa.eu/resource/authority/frequency/")
ACCESS = Namespace("http://publications.europa.eu/resource/authority/access-right/")

BASE = "http://relative.invalid/"
"""What relative addresses are relative to, so that a file with some can be read; nothing is ever asked there."""

XML_SAYS = re.compile(r"^\s*<\?xml[^>]*\?>")
"""The charset of a file, once it is read by another."""

STUMBLED = re.compile(r"at line (\d+) of <.*?>: Bad syntax \((.*?)\) at")
LARGEST = 32 << 20
MOST_TRIPLES = 500_000
PREFIXES = {
    "dcat": DCAT, "dct": DCTERMS, "foaf": FOAF, "skos": SKOS, "prov": PROV, "csvw": CSVW, "cl": OWN, "xsd": XSD,
    "rdfs": RDFS, "rdf": RDF,
}  # fmt: skip
FORMATS = {
    "text/turtle": "turtle",
    "application/x-turtle": "turtle",
    "application/ld+json": "json-ld",
    "application/json": "json-ld",
    "application/rdf+xml": "xml",
    "application/n-triples": "nt",
}
CYCLES = {
    "real_time": "CONT", "day": "DAILY", "week": "WEEKLY", "month": "MONTHLY", "quarter": "QUARTERLY",
    "half_year": "ANNUAL_2", "year": "ANNUAL", "irregular": "IRREG",
}  # fmt: skip
OTHER_CYCLES = frozenset({
    "1MIN", "5MIN", "10MIN", "15MIN", "30MIN", "HOURLY", "BIHOURLY", "TRIHOURLY", "12HRS", "DAILY_2", "WEEKLY_2",
    "WEEKLY_3", "BIWEEKLY", "MONTHLY_2", "MONTHLY_3", "BIMONTHLY", "ANNUAL_3", "BIENNIAL", "TRIENNIAL", "QUADRENNIAL",
    "QUINQUENNIAL", "DECENNIAL", "BIDECENNIAL", "TRIDECENNIAL", "UPDATE_CONT", "AS_NEEDED", "NEVER", "NOT_PLANNED",
    "OP_DATPRO", "OTHER", "UNKNOWN",
})  # fmt: skip
"""The European list's other frequencies, for which the guide has no word but 不定期."""

OPENNESS = {"open": "PUBLIC", "conditional": "RESTRICTED", "closed": "NON_PUBLIC"}
DATATYPES = {
    "text": "string", "integer": "integer", "decimal": "decimal", "number": "double", "boolean": "boolean",
    "date": "date", "timestamp": "dateTime", "binary": "hexBinary",
}  # fmt: skip

SCHEMA = OWN.columns
"""The list of a schema's columns, in their order."""


class Bounded(Memory):
    """A store that refuses a triple too many while a file is parsed: a few bytes of a file can say many."""

    said = 0

    def add(self, triple: Any, context: Any, quoted: bool = False) -> None:
        """Raises TooLarge `catalogue.rdf_too_long`."""
        self.said += 1
        if self.said > MOST_TRIPLES:
            raise TooLarge("catalogue.rdf_too_long", limit=MOST_TRIPLES)
        super().add(triple, context, quoted)


def new_graph(store: Store | str = "default") -> Graph:
    """An empty graph that knows the prefixes."""
    graph = Graph(store, bind_namespaces="none")
    for prefix, namespace in PREFIXES.items():
        graph.bind(prefix, namespace)
    return graph


def written(graph: Graph, format: str) -> bytes:
    """The graph as a file: turtle or json-ld."""
    if format == "json-ld":
        context = {prefix: str(namespace) for prefix, namespace in PREFIXES.items()}
        return graph.serialize(format="json-ld", context=context, auto_compact=False, encoding="utf-8")
    return graph.serialize(format=format, encoding="utf-8")


def read(content: bytes, media: str) -> Graph:
    """A file as a graph; addresses in it are not followed.

    Raises Unsupported `catalogue.media_unknown`, TooLarge `catalogue.rdf_too_large` and `catalogue.rdf_too_long`,
    Invalid `catalogue.rdf_broken` and `catalogue.rdf_without_datasets`.
    """
    format = FORMATS.get(media)
    if format is None:
        raise Unsupported("catalogue.media_unknown", media=media or "-")
    if len(content) > LARGEST:
        raise TooLarge("catalogue.rdf_too_large", limit=LARGEST >> 20)
    marked = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    if format != "xml" or marked:
        content = XML_SAYS.sub("", _decoded(content, format)).encode()
    if format == "json-ld":
        _check_contexts(content)
    elif format == "xml" and b"<!DOCTYPE" in content:  # entities can be bombs
        raise Invalid("catalogue.rdf_broken", format=format, reason="DOCTYPE")
    graph = new_graph(Bounded())
    try:
        graph.parse(data=content, format=format, publicID=BASE)
    except (
        RdfError,
        ValueError,
        SyntaxError,
        LookupError,
        TypeError,
        AttributeError,
        RecursionError,
        AssertionError,
    ) as error:
        raise Invalid("catalogue.rdf_broken", format=format, reason=_reason(error, content)) from error
    except Exception as error:
        if type(error).__module__.startswith(("rdflib.", "xml.sax")):  # some of its errors have no base of its own
            raise Invalid("catalogue.rdf_broken", format=format, reason=_reason(error, content)) from error
        raise
    if (None, RDF.type, DCAT.Dataset) not in graph:
        raise Invalid("catalogue.rdf_without_datasets")
    return graph


def _decoded(content: bytes, format: str) -> str:
    """The text of a file: UTF-8 as the formats ask, with or without a mark at its beginning, or what editors here write."""
    marked = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    for charset in ("utf-16",) if marked else ("utf-8-sig", "gb18030"):
        try:
            return content.decode(charset)
        except UnicodeDecodeError:
            continue
    raise Invalid("catalogue.rdf_broken", format=format, reason="charset")


def _reason(error: Exception, content: bytes) -> str:
    """What a parser says, with the line that it stumbled over."""
    told = " ".join(str(error).split())
    if found := STUMBLED.search(told):
        lines = content.decode(errors="replace").splitlines()
        number = int(found[1])
        line = lines[number - 1].strip() if number <= len(lines) else ""
        return f"line {number}, {found[2]}: {line[:120]}"
    return told[:300] or type(error).__name__


def _check_contexts(content: bytes) -> None:
    """Refuse a context that would have to be fetched."""
    try:
        todo = [json.loads(content)]
    except (ValueError, RecursionError) as error:
        raise Invalid("catalogue.rdf_broken", format="json-ld", reason=str(error)[:300]) from error
    while todo:
        value = todo.pop()
        if isinstance(value, dict):
            given = value.get("@context", {})
            for each in given if isinstance(given, list) else [given]:
                if isinstance(each, str) or (isinstance(each, dict) and "@import" in each):
                    raise Invalid("catalogue.rdf_broken", format="json-ld", reason=f"@context {str(each)[:200]}")
            todo += value.values()
        elif isinstance(value, list):
            todo += value


def tail(iri: URIRef | str) -> str:
    """The last part of an address."""
    return str(iri).rstrip("/#").replace("#", "/").rpartition("/")[2]
