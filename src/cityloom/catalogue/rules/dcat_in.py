"""Datasets of a DCAT-AP file as descriptions of resources, and the faults of what cannot be read."""

import re
from collections.abc import Mapping
from datetime import date
from typing import Any, get_args

import msgspec
from rdflib import BNode, Graph, Literal, URIRef
from rdflib.collection import Collection
from rdflib.namespace import DCAT, DCTERMS, FOAF, RDF, RDFS, SKOS
from rdflib.term import Node

from cityloom.catalogue.contracts import Carrier, ResourceWish, Sharing, Way
from cityloom.catalogue.rules import columns, dcat
from cityloom.catalogue.rules.claims import folded
from cityloom.catalogue.rules.dcat import ACCESS, CSVW, FREQUENCY, OWN

CODE = re.compile(r"[1-9][0-9]{5,19}/[0-9]{1,12}")
CATEGORY = re.compile(r"[1-9][0-9]{5,19}")
NOT_ID = re.compile(r"[^a-z0-9_-]+")
HAN = re.compile(r"[\u3400-\u9fff]")
BY_REQUEST = {"en": "On request to the publisher", "zh": "向提供方申请"}
KINDS = {name: kind for kind, name in dcat.DATATYPES.items()}
CYCLES = {name: cycle for cycle, name in dcat.CYCLES.items()}
ACCESSES = {name: openness for openness, name in dcat.OPENNESS.items()}


GRADES = ("1", "2", "3", "4")
NUMBER = re.compile(r"[1-9][0-9]{0,8}")
TEXTS = frozenset(
    {"anyURI", "token", "normalizedString", "language", "langString", "Name", "NMTOKEN", "html", "json", "xml"}
)
PROPERTIES = {
    "title": "dct:title", "summary": "dct:description", "keeper": "dct:publisher", "keeper_code": "cl:keeperCode",
    "code": "dct:identifier", "category": "dcat:theme", "subject": "cl:subject", "legal_basis": "dct:provenance",
    "sharing": "cl:sharing", "sharing_condition": "cl:sharingCondition", "refusal_law": "cl:refusalLaw",
    "openness": "dct:accessRights", "open_condition": "cl:openCondition", "cycle": "dct:accrualPeriodicity",
    "issued": "dct:issued", "related": "cl:related", "derived_from": "cl:derivedFrom", "item": "csvw:title",
    "items": "csvw:column", "element": "cl:element", "grade": "cl:grade", "authoritative": "cl:authoritative",
    "regraded": "cl:regraded", "format": "dct:format", "carrier": "cl:carrier", "sharing_way": "cl:sharingWay",
}  # fmt: skip
"""What a file calls the fields of a description."""


class Fault(msgspec.Struct, frozen=True):
    """What is wrong with one property of one dataset."""

    subject: str
    property: str
    value: str
    code: str
    known: str = ""
    grave: bool = True
    """Whether the dataset is refused for it; else it is taken without what could not be understood."""


class Found(msgspec.Struct, frozen=True):
    """A dataset of the file. `wish` is None where it has faults."""

    subject: str
    id: str
    wish: ResourceWish | None


class Reader:
    """Reads every dataset of a graph."""

    def __init__(self, graph: Graph, keepers: Mapping[str, str], otherwise: str) -> None:
        self.graph = graph
        self.keepers = keepers
        self.otherwise = otherwise
        """Keeper of what names no organisation of this city; empty: that is a fault."""
        self.faults: list[Fault] = []
        self._current: Node = BNode()

    def read(self) -> list[Found]:
        """The datasets by their address."""
        subjects = {each for kind in (DCAT.Dataset,) for each in self.graph.subjects(RDF.type, kind)}
        return [self._dataset(subject) for subject in sorted(subjects, key=str)]

    def _fault(self, subject: Node, name: str, value: object, code: str, known: str = "", grave: bool = True) -> None:
        said = self._called(value) if isinstance(value, BNode) else str(value).removeprefix(dcat.BASE)[:200]
        if subject != self._current:
            name = f"{name} ({self._called(subject)})"
        self.faults.append(Fault(self._called(self._current), name, said, code, known, grave))

    def _called(self, node: Node) -> str:
        """An address as the file has it; a node without one by its title or name."""
        if not isinstance(node, BNode):
            return str(node).removeprefix(dcat.BASE)
        named = next((name for each in (DCTERMS.title, FOAF.name, CSVW.name) if (name := self._one(node, each))), "")
        return f"[] {named[:100]}".strip()

    def _dataset(self, subject: Node) -> Found:
        before = len(self.faults)
        self._current = subject
        fields = self._fields(subject)
        id = self._one(subject, OWN.id) or self._made_id(subject)
        wish = None
        if not any(fault.grave for fault in self.faults[before:]):
            try:
                wish = msgspec.convert(fields, ResourceWish)
            except msgspec.ValidationError as error:
                field = str(error).rpartition("`$.")[2].partition("`")[0].partition("[")[0]
                self._fault(subject, PROPERTIES.get(field, field), error, "value_wrong")
        return Found(self._called(subject), id, wish)

    def _fields(self, subject: Node) -> dict[str, Any]:
        title = self._both(subject, DCTERMS.title)
        if not any(title.values()):
            self._fault(subject, "dct:title", "", "no_title")
        summary = self._both(subject, DCTERMS.description)
        if self._one(subject, OWN.withoutSummary) == "true":
            summary = {"zh": "", "en": ""}
        code = self._one(subject, OWN.code) or self._one(subject, DCTERMS.identifier)
        fields: dict[str, Any] = {
            "title": title,
            "summary": summary,
            "keeper": self._keeper(subject),
            "keeper_code": self._one(subject, OWN.keeperCode),
            "code": code if CODE.fullmatch(code) else "",
            "category": self._category(subject),
            "subject": self._one(subject, OWN.subject),
            "legal_basis": self._label(subject, DCTERMS.provenance),
            "open_condition": self._both(subject, OWN.openCondition),
            "sharing_way": self._choice(subject, OWN.sharingWay, Way, "cl:sharingWay"),
            "cycle": self._cycle(subject),
            "issued": self._day(subject),
            "related": self._listed(subject, OWN.related),
            "derived_from": self._listed(subject, OWN.derivedFrom),
            "items": self._items(subject),
            **self._distribution(subject),
            **self._terms(subject),
        }
        regraded = self._both(subject, OWN.regraded)
        return fields | ({"regraded": regraded} if any(regraded.values()) else {})

    def _one(self, subject: Node, predicate: URIRef) -> str:
        """The value of a property; of several the first in order."""
        return min((str(each) for each in self.graph.objects(subject, predicate)), default="")

    def _both(self, subject: Node, predicate: URIRef) -> dict[str, str]:
        """A text by language; one without a language is Chinese where it has Han characters."""
        found = {"zh": "", "en": ""}
        for each in sorted(self.graph.objects(subject, predicate), key=str):
            if isinstance(each, Literal):
                language = (each.language or ("zh" if HAN.search(str(each)) else "en"))[:2]
                if language in found and not found[language]:
                    found[language] = str(each)
        if not any(found.values()):  # none in our languages: better another's than none
            found["en"] = min(
                (str(each) for each in self.graph.objects(subject, predicate) if isinstance(each, Literal)), default=""
            )
        return found

    def _label(self, subject: Node, predicate: URIRef) -> dict[str, str]:
        for statement in self.graph.objects(subject, predicate):
            return self._both(statement, RDFS.label)
        return {"zh": "", "en": ""}

    def _made_id(self, subject: Node) -> str:
        """An id from the identifier or the address; empty for a blank node without one."""
        said = self._one(subject, DCTERMS.identifier) or (str(subject) if isinstance(subject, URIRef) else "")
        return "" if CODE.fullmatch(said) else NOT_ID.sub("-", dcat.tail(said).casefold()).strip("-_")[:128]

    def _keeper(self, subject: Node) -> str:
        said = self._one(subject, OWN.keeper)
        if said and said in self.keepers.values():
            return said
        agents = list(self.graph.objects(subject, DCTERMS.publisher))
        for agent in agents:
            names = [dcat.tail(str(agent)), *map(str, self.graph.objects(agent, FOAF.name))]
            names += map(str, self.graph.objects(agent, DCTERMS.identifier))
            for name in names:
                if folded(name) in self.keepers:
                    return self.keepers[folded(name)]
        if self.otherwise:
            return self.otherwise
        if agents:
            named = self._one(agents[0], FOAF.name) or self._called(agents[0])
            self._fault(subject, "dct:publisher", named, "keeper_unknown")
        else:
            self._fault(subject, "dct:publisher", "", "no_publisher")
        return ""

    def _category(self, subject: Node) -> str:
        for theme in sorted(self.graph.objects(subject, DCAT.theme), key=str):
            said = self._one(theme, SKOS.notation) or dcat.tail(str(theme))
            if CATEGORY.fullmatch(said):
                return said
        return ""

    def _cycle(self, subject: Node) -> str:
        for said in self.graph.objects(subject, DCTERMS.accrualPeriodicity):
            word = columns.VALUES["cycle"].get(folded(dcat.tail(str(said))))
            if dcat.tail(str(said)) in CYCLES or word:
                return CYCLES.get(dcat.tail(str(said))) or word or ""
            if not str(said).startswith(str(FREQUENCY)) or dcat.tail(str(said)) not in dcat.OTHER_CYCLES:
                self._fault(subject, "dct:accrualPeriodicity", said, "value_unknown", ", ".join(sorted(CYCLES)))
        return "irregular"

    def _day(self, subject: Node) -> str | None:
        said = self._one(subject, DCTERMS.issued)
        try:
            return date.fromisoformat(said[:10]).isoformat() if said else None
        except ValueError:
            self._fault(subject, "dct:issued", said, "day_wrong")
            return None

    def _listed(self, subject: Node, predicate: URIRef) -> list[str]:
        name = "cl:" + dcat.tail(str(predicate)).rpartition(":")[2]
        heads = self.graph.objects(subject, predicate)
        return [str(each) for head in heads for each in self._members(subject, head, name)]

    def _choice(self, subject: Node, predicate: URIRef, allowed: Any, name: str, otherwise: str = "") -> str:
        """A word of ours; what is none is a fault."""
        said = self._one(subject, predicate) or otherwise
        known = get_args(allowed)
        if said and said not in known:
            self._fault(subject, name, said, "value_unknown", ", ".join(filter(None, known)))
        return said

    def _members(self, subject: Node, head: Node, name: str) -> list[Node]:
        try:
            return list(Collection(self.graph, head))
        except ValueError:  # it goes in a circle
            self._fault(subject, name, "", "list_broken")
            return []

    def _distribution(self, subject: Node) -> dict[str, str]:
        for distribution in sorted(self.graph.objects(subject, DCAT.distribution), key=str):
            formats = list(self.graph.objects(distribution, DCTERMS["format"]))
            named = (self._one(formats[0], RDFS.label) or dcat.tail(str(formats[0]))) if formats else ""
            carrier = self._choice(distribution, OWN.carrier, Carrier, "cl:carrier", "other")
            return {"carrier": carrier, "format": named[:300]}
        return {"carrier": "other"}

    def _terms(self, subject: Node) -> dict[str, Any]:
        """Sharing and openness. A catalogue that knows no sharing shares what is public, and the rest on request."""
        sharing, openness = self._choice(subject, OWN.sharing, Sharing, "cl:sharing"), self._openness(subject)
        condition, law = self._both(subject, OWN.sharingCondition), self._both(subject, OWN.refusalLaw)
        if not sharing:
            sharing = "unconditional" if openness == "open" else "conditional"
            if sharing == "conditional" and not any(condition.values()):
                condition = BY_REQUEST
            if openness == "conditional":
                openness = "closed"
        return {
            "sharing": sharing,
            "openness": openness,
            "sharing_condition": condition,
            "refusal_law": law if any(law.values()) else None,
        }

    def _openness(self, subject: Node) -> str:
        for said in self.graph.objects(subject, DCTERMS.accessRights):
            if dcat.tail(str(said)) in ACCESSES:
                return ACCESSES[dcat.tail(str(said))]
            grave = str(said).startswith(str(ACCESS))
            code = "value_unknown" if grave else "value_left_out"
            self._fault(subject, "dct:accessRights", said, code, ", ".join(sorted(ACCESSES)), grave)
        return "closed"

    def _items(self, subject: Node) -> list[dict[str, Any]]:
        items = []
        for schema in sorted(self.graph.objects(subject, DCTERMS.conformsTo), key=str):
            for head in self.graph.objects(schema, dcat.SCHEMA):
                items += [self._item(column) for column in self._members(subject, head, "cl:columns")]
            if not items:  # columns of others have no order of their own
                columns_of = sorted(
                    self.graph.objects(schema, CSVW.column), key=lambda each: self._one(each, CSVW.name)
                )
                items += [self._item(column) for column in columns_of]
        return items

    def _item(self, column: Node) -> dict[str, Any]:
        name = self._both(column, CSVW.title)
        if not any(name.values()):
            name["en"] = self._one(column, CSVW.name)
        kind = dcat.tail(self._one(column, CSVW.datatype))
        if kind and kind not in KINDS and kind not in TEXTS:
            self._fault(column, "csvw:datatype", kind, "value_left_out", ", ".join(sorted(KINDS)), False)
        return {
            "name": name,
            "type": KINDS.get(kind, "text"),
            "length": self._number(column, OWN.length, "cl:length"),
            "element": self._one(column, OWN.element),
            "qualifier": self._one(column, OWN.qualifier),
            "standard": self._one(column, OWN.standard),
            "grade": self._grade(column),
            "required": self._one(column, CSVW.required) == "true",
            "personal": self._one(column, OWN.personal) == "true",
            "authoritative": self._one(column, OWN.authoritative) == "true",
        }

    def _grade(self, column: Node) -> int:
        said = self._one(column, OWN.grade) or "1"
        if said not in GRADES:
            self._fault(column, "cl:grade", said, "value_unknown", ", ".join(GRADES))
        return GRADES.index(said) + 1 if said in GRADES else 1

    def _number(self, column: Node, predicate: URIRef, name: str) -> int | None:
        said = self._one(column, predicate)
        if said and not NUMBER.fullmatch(said):
            self._fault(column, name, said, "number_wrong")
        return int(said) if NUMBER.fullmatch(said) else None
