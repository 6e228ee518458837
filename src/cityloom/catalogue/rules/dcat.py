"""What the compilation guide and DCAT-AP 3 call the same things.

What DCAT has no word for stands in a namespace of our own, so that a resource comes back exactly as it went.
"""

import json
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
    if format == "json-ld":
        _check_contexts(content)
    elif format == "xml" and b"<!DOCTYPE" in content:  # entities can be bombs
        raise Invalid("catalogue.rdf_broken", format=format, reason="DOCTYPE")
    graph = new_graph(Bounded())
    try:
        graph.parse(data=content, format=format, publicID="urn:cityloom:import:")
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
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise Invalid("catalogue.rdf_broken", format=format, reason=reason) from error
    except Exception as error:
        if type(error).__module__.startswith(("rdflib.", "xml.sax")):  # some of its errors have no base of its own
            raise Invalid("catalogue.rdf_broken", format=format, reason=" ".join(str(error).split())[:300]) from error
        raise
    if (None, RDF.type, DCAT.Dataset) not in graph:
        raise Invalid("catalogue.rdf_without_datasets")
    return graph


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
