"""The lists of the city: as people read them, and as they are worked through."""

import hashlib
from collections.abc import Mapping
from functools import lru_cache

import msgspec

from cityloom.exchange.api import gate
from cityloom.facts import spec
from cityloom.facts.contracts import Declared, DeclaredFact, DeclaredParameter, DeclaredSubject, Source
from cityloom.facts.rules import plans
from cityloom.facts.rules.plans import PlannedList
from cityloom.facts.spec import Fact, FactList, Find
from cityloom.kernel.access import Resource
from cityloom.kernel.context import Parts
from cityloom.kernel.errors import NotFound
from cityloom.kernel.packs import Packs
from cityloom.registers.api import verifying


@lru_cache(maxsize=8)
def planned(packs: Packs) -> Mapping[str, PlannedList]:
    """Every list by name, ready to be asked. Raises Invalid `kernel.pack_wrong`, `facts.list_wrong`."""
    return {name: plans.plan(name, declared) for name, declared in spec.lists(packs).items()}


def check(packs: Packs) -> None:
    """Read what packs say of facts, and hold it against their datasets and registers. Raises as `planned`."""
    lists = planned(packs)
    if not lists:
        return
    datasets, sources = gate.declared(packs), verifying.sources(packs)
    for name, each in lists.items():
        registers = {subject.name: subject.register for subject in each.declared.subjects}
        for fact in each.declared.facts:
            for find in (find for way in fact.ways for find in way.find):
                what = f"{fact.name}.{find.name}: {find.dataset}"
                dataset = datasets.get(find.dataset)
                if dataset is None or not set(find.fields) <= {field.name for field in dataset.fields}:
                    raise spec.wrong(name, what)
                if find.key and (not dataset.queryable or len(find.key) != len(dataset.key)):
                    raise spec.wrong(name, what)
                if find.of is not None and not _fed(sources, registers[find.of], find):
                    raise spec.wrong(name, what)


def _fed(sources: Mapping[tuple[str, str], frozenset[str]], register: str, find: Find) -> bool:
    """Whether the records are somebody's in the register, or lead there from any register by these links."""
    if not find.links:
        return (register, find.dataset) in sources
    return any(dataset == find.dataset and set(find.links) <= links for (_, dataset), links in sources.items())


def digest(declared: FactList) -> str:
    """SHA-256 of a list with the values of its parameters, as JSON with its members in order."""
    return hashlib.sha256(msgspec.json.encode(declared, order="deterministic")).hexdigest()


def resource(name: str, declared: FactList) -> Resource:
    """A list as the policies see it."""
    facts = {"keeper": declared.keeper, "askers": declared.askers, "purpose": declared.purpose}
    return Resource("FactList", name, facts)


def find(packs: Packs, name: str) -> PlannedList:
    """Raises NotFound `facts.list_unknown`."""
    lists = planned(packs)
    if name not in lists:
        raise NotFound("facts.list_unknown", list=name, known=", ".join(lists))
    return lists[name]


def listing(parts: Parts, language: str) -> list[Declared]:
    """Every list as anybody may read it."""
    return [describe(parts, name, language) for name in planned(parts.packs)]


def describe(parts: Parts, name: str, language: str) -> Declared:
    """What is asked, of whom, by which law, from which sources. Raises NotFound `facts.list_unknown`."""
    declared = find(parts.packs, name).declared
    return Declared(
        name=name,
        title=declared.title.of(language),
        keeper=declared.keeper,
        askers=declared.askers,
        purpose=declared.purpose,
        law=declared.law.of(language),
        consent=declared.consent,
        consent_days=declared.consent_days,
        declaration=digest(declared),
        subjects=tuple(
            DeclaredSubject(each.name, each.title.of(language), each.identifier, each.most)
            for each in declared.subjects
        ),
        given=tuple(each.name for each in declared.given),
        parameters=tuple(
            DeclaredParameter(each.name, each.title.of(language), each.value, each.unit) for each in declared.parameters
        ),
        facts=tuple(_fact(parts.packs, fact, language) for fact in declared.facts),
    )


def _fact(packs: Packs, fact: Fact, language: str) -> DeclaredFact:
    datasets = _datasets(packs)
    fields: dict[str, list[str]] = {}
    for find in (find for way in fact.ways for find in way.find):
        fields.setdefault(find.dataset, []).extend(find.fields)
    sources = tuple(
        Source(name, datasets[name].title.of(language), datasets[name].keeper, tuple(dict.fromkeys(some)))
        for name, some in fields.items()
        if name in datasets
    )
    conditions = tuple(tuple(each.expression for each in way.when) for way in fact.ways)
    title, law, paper = (text.of(language) for text in (fact.title, fact.law, fact.paper))
    return DeclaredFact(fact.name, title, law, paper, sources, conditions)


_datasets = lru_cache(maxsize=8)(gate.declared)
