"""Resources as a DCAT-AP 3 catalogue."""

from collections.abc import Iterable, Mapping

import msgspec
from rdflib import BNode, Graph, Literal, URIRef
from rdflib.collection import Collection
from rdflib.namespace import DCAT, DCTERMS, FOAF, PROV, RDF, RDFS, SKOS, XSD
from rdflib.term import Node

from cityloom.catalogue.contracts import Item, Resource
from cityloom.catalogue.rules import dcat
from cityloom.catalogue.rules.dcat import ACCESS, CSVW, FREQUENCY, OWN
from cityloom.kernel.words import Text

TAXONOMY = Text("Categories of information resources", "政务信息资源分类")
MOST_KEYWORDS = 10


class Publisher(msgspec.Struct, frozen=True):
    """Who publishes, where, and what its organisations and categories are called."""

    address: str
    """Address of the city's door, without a final slash."""
    name: str
    """The catalogue's name in reports."""
    title: Text
    organisation: str
    organisations: Mapping[str, Text]
    categories: Mapping[str, Text]

    def resource(self, id: str) -> URIRef:
        """Where a resource is described."""
        return URIRef(f"{self.address}/api/catalogue/resources/{id}")

    def keeper(self, code: str) -> URIRef:
        """Where an organisation is described."""
        return URIRef(f"{self.address}/api/identity/organisations/{code}")

    def category(self, code: str) -> URIRef:
        """Where a category is described."""
        return URIRef(f"{self.scheme}#{code}")

    @property
    def scheme(self) -> URIRef:
        return URIRef(f"{self.address}/api/catalogue/codes/resource_class")

    @property
    def catalogue(self) -> URIRef:
        return URIRef(f"{self.address}/api/catalogue/resources")


def graph_of(resources: Iterable[Resource], publisher: Publisher) -> Graph:
    """One dcat:Catalog with these resources as its datasets."""
    graph = dcat.new_graph()
    catalogue = publisher.catalogue
    graph.add((catalogue, RDF.type, DCAT.Catalog))
    _text(graph, catalogue, DCTERMS.title, publisher.title)
    _text(graph, catalogue, DCTERMS.description, publisher.title)
    graph.add((catalogue, DCTERMS.publisher, _agent(graph, publisher.organisation, publisher)))
    graph.add((catalogue, DCTERMS.identifier, Literal(publisher.name)))
    graph.add((catalogue, DCAT.themeTaxonomy, publisher.scheme))
    graph.add((publisher.scheme, RDF.type, SKOS.ConceptScheme))
    _text(graph, publisher.scheme, DCTERMS.title, TAXONOMY)
    for resource in resources:
        graph.add((catalogue, DCAT.dataset, _dataset(graph, resource, publisher)))
    return graph


def _text(graph: Graph, subject: Node, predicate: URIRef, text: Text | None) -> None:
    if text is not None:
        for language, said in (("zh", text.zh), ("en", text.en)):
            if said:
                graph.add((subject, predicate, Literal(said, lang=language)))


def _agent(graph: Graph, code: str, publisher: Publisher) -> URIRef:
    agent = publisher.keeper(code)
    title = publisher.organisations.get(code)
    graph.add((agent, RDF.type, FOAF.Agent))
    _text(graph, agent, FOAF.name, title or Text(code, ""))
    graph.add((agent, DCTERMS.identifier, Literal(code)))
    return agent


def _dataset(graph: Graph, resource: Resource, publisher: Publisher) -> URIRef:
    record, subject = resource.record, publisher.resource(resource.id)
    graph.add((subject, RDF.type, DCAT.Dataset))
    _text(graph, subject, DCTERMS.title, record.title)
    if record.summary.zh or record.summary.en:
        _text(graph, subject, DCTERMS.description, record.summary)
    else:  # DCAT-AP wants a description
        _text(graph, subject, DCTERMS.description, record.title)
        graph.add((subject, OWN.withoutSummary, Literal(True)))
    for predicate, said in (
        (DCTERMS.identifier, resource.code), (OWN.id, resource.id), (OWN.code, record.code),
        (OWN.keeper, record.keeper), (OWN.keeperCode, record.keeper_code), (OWN.subject, record.subject),
        (OWN.sharing, record.sharing), (OWN.sharingWay, record.sharing_way), (OWN.dataset, record.dataset),
    ):  # fmt: skip
        if said:
            graph.add((subject, predicate, Literal(said)))
    for predicate, text in (
        (OWN.sharingCondition, record.sharing_condition), (OWN.refusalLaw, record.refusal_law),
        (OWN.openCondition, record.open_condition), (OWN.regraded, record.regraded),
    ):  # fmt: skip
        _text(graph, subject, predicate, text)
    graph.add((subject, OWN.grade, Literal(resource.grade)))
    graph.add((subject, DCTERMS.publisher, _agent(graph, record.keeper, publisher)))
    graph.add(
        (subject, DCTERMS.accessRights, _typed(graph, ACCESS[dcat.OPENNESS[record.openness]], DCTERMS.RightsStatement))
    )
    graph.add(
        (subject, DCTERMS.accrualPeriodicity, _typed(graph, FREQUENCY[dcat.CYCLES[record.cycle]], DCTERMS.Frequency))
    )
    graph.add((subject, DCTERMS.modified, Literal(resource.changed_at.isoformat(), datatype=XSD.dateTime)))
    if record.issued:
        graph.add((subject, DCTERMS.issued, Literal(record.issued)))
    _theme(graph, subject, record.category, publisher)
    _basis(graph, subject, record.legal_basis)
    _relations(graph, subject, resource, publisher)
    _distribution(graph, subject, resource)
    _schema(graph, subject, resource)
    return subject


def _typed(graph: Graph, iri: URIRef, kind: URIRef) -> URIRef:
    graph.add((iri, RDF.type, kind))
    return iri


def _theme(graph: Graph, subject: URIRef, category: str, publisher: Publisher) -> None:
    if not category:
        return
    theme = _typed(graph, publisher.category(category), SKOS.Concept)
    above = [category[:end] for end in range(len(category), 0, -1)]
    named = next((publisher.categories[each] for each in above if each in publisher.categories), None)
    _text(graph, theme, SKOS.prefLabel, named or Text(category, ""))
    graph.add((theme, SKOS.notation, Literal(category)))
    graph.add((theme, SKOS.inScheme, publisher.scheme))
    graph.add((subject, DCAT.theme, theme))


def _basis(graph: Graph, subject: URIRef, basis: Text) -> None:
    if basis.zh or basis.en:
        statement = BNode()
        graph.add((subject, DCTERMS.provenance, statement))
        graph.add((statement, RDF.type, DCTERMS.ProvenanceStatement))
        _text(graph, statement, RDFS.label, basis)


def _relations(graph: Graph, subject: URIRef, resource: Resource, publisher: Publisher) -> None:
    for source in resource.record.derived_from:
        graph.add((subject, PROV.wasDerivedFrom, publisher.resource(source)))
    for predicate, listed in ((OWN.related, resource.record.related), (OWN.derivedFrom, resource.record.derived_from)):
        if listed:
            graph.add((subject, predicate, _list(graph, [Literal(each) for each in listed])))


def _list(graph: Graph, nodes: list[Node]) -> BNode:
    first = BNode()
    Collection(graph, first, nodes)
    return first


def _distribution(graph: Graph, subject: URIRef, resource: Resource) -> None:
    distribution = URIRef(f"{subject}#distribution")
    graph.add((subject, DCAT.distribution, distribution))
    graph.add((distribution, RDF.type, DCAT.Distribution))
    graph.add((distribution, DCAT.accessURL, subject))
    graph.add((distribution, OWN.carrier, Literal(resource.record.carrier)))
    if resource.record.format:
        format = BNode()
        graph.add((distribution, DCTERMS["format"], format))
        graph.add((format, RDF.type, DCTERMS.MediaTypeOrExtent))
        graph.add((format, RDFS.label, Literal(resource.record.format)))


def _schema(graph: Graph, subject: URIRef, resource: Resource) -> None:
    """The items as columns of a CSVW schema, which is the standard that the dataset conforms to."""
    if not resource.record.items:
        return
    schema = URIRef(f"{subject}#schema")
    graph.add((subject, DCTERMS.conformsTo, schema))
    graph.add((schema, RDF.type, DCTERMS.Standard))
    graph.add((schema, RDF.type, CSVW.Schema))
    _text(graph, schema, DCTERMS.title, resource.record.title)
    nodes: list[Node] = [_column(graph, item, number) for number, item in enumerate(resource.record.items, 1)]
    graph.add((schema, dcat.SCHEMA, _list(graph, nodes)))
    for item in resource.record.items[:MOST_KEYWORDS]:
        _text(graph, subject, DCAT.keyword, item.name)


def _column(graph: Graph, item: Item, number: int) -> BNode:
    column = BNode()
    graph.add((column, RDF.type, CSVW.Column))
    graph.add((column, CSVW.name, Literal(f"_col.{number}")))
    graph.add((column, CSVW.datatype, Literal(dcat.DATATYPES[item.type])))
    _text(graph, column, CSVW.title, item.name)
    for predicate, said in (
        (OWN.element, item.element),
        (OWN.qualifier, item.qualifier),
        (OWN.standard, item.standard),
    ):
        if said:
            graph.add((column, predicate, Literal(said)))
    for predicate, holds in (
        (CSVW.required, item.required), (OWN.personal, item.personal), (OWN.authoritative, item.authoritative)
    ):  # fmt: skip
        graph.add((column, predicate, Literal(holds)))
    graph.add((column, OWN.grade, Literal(item.grade)))
    if item.length is not None:
        graph.add((column, OWN.length, Literal(item.length)))
    return column
