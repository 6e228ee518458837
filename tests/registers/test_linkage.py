"""Linkage with the real Splink: on generated people, on a public set, and on the cases that go wrong elsewhere."""

from functools import cache
from pathlib import Path

import msgspec
import pyarrow as pa
import pytest

from cityloom.bench.linkage import CHINESE, DATA, PERSON, _febrl3
from cityloom.kernel.errors import Invalid
from cityloom.registers.linkage import judge, kinds, link, scoring
from cityloom.registers.linkage.model import Field, Linked, Model
from cityloom.samplecity import api as samplecity

LEVELS = Path(link.__file__).parents[1] / "words" / "levels.yaml"


@cache
def people() -> pa.Table:
    return samplecity.people_twice(3_000, 5)


@cache
def linked() -> Linked:
    return link.link(people(), CHINESE)


def test_people_are_found_in_spite_of_errors() -> None:
    found = judge.judge(linked().clusters["cluster"].to_pylist(), people()["person"].to_pylist())
    assert found.f1 > 0.985
    assert found.precision > 0.985
    assert found.true > 2_500
    assert linked().trained.converged
    assert linked().clusters["record"].to_pylist() == people()["record"].to_pylist()


def test_the_same_again_is_the_same() -> None:
    again = link.link(people(), CHINESE)
    assert again.trained == linked().trained
    assert again.clusters.equals(linked().clusters)
    assert again.pairs.select(["left", "right", "decision"]).equals(
        linked().pairs.select(["left", "right", "decision"])
    )


def test_what_was_learnt_can_be_written_down() -> None:
    trained = link.read(link.write(linked().trained))
    assert trained == linked().trained
    again = link.link(people(), CHINESE, trained)
    assert again.clusters.equals(linked().clusters)


def test_new_records_come_to_where_all_together_would_have_put_them() -> None:
    old, new = people().slice(0, len(people()) - 200), people().slice(len(people()) - 200)
    before = link.link(old, CHINESE, linked().trained)
    with link.known(old, before.clusters, CHINESE, linked().trained) as known:
        found = link.link_new(new, known)
        again = link.link_new(new, known)
    assert found.clusters.equals(again.clusters)
    owner = dict(zip(people()["record"].to_pylist(), people()["person"].to_pylist(), strict=True))
    cluster = dict(zip(before.clusters["record"].to_pylist(), before.clusters["cluster"].to_pylist(), strict=True))
    cluster |= dict(zip(found.clusters["record"].to_pylist(), found.clusters["cluster"].to_pylist(), strict=True))
    together = judge.judge(linked().clusters["cluster"].to_pylist(), people()["person"].to_pylist())
    apart = judge.judge([cluster[each] for each in people()["record"].to_pylist()], list(owner.values()))
    assert apart.f1 == pytest.approx(together.f1, abs=0.003)
    kept = [each for each in before.clusters.to_pylist() if each["record"] in set(found.clusters["record"].to_pylist())]
    groups = {each["cluster"] for each in kept}
    assert len({cluster[each["record"]] for each in kept}) == len(groups)  # what was two stays two


def test_every_pair_has_its_evidence_in_both_languages() -> None:
    words = msgspec.yaml.decode(LEVELS.read_bytes(), type=dict[str, dict[str, str]])
    used = {level.code for name in kinds.KINDS for partner in (True, False) for level in kinds.levels(name, partner)}
    assert {f"registers.level_{each}" for each in used | {"unknown"}} == set(words)
    assert all(set(each) == {"en", "zh"} for each in words.values())
    assert linked().fields == tuple(field.name for field in CHINESE.fields)
    first = linked().pairs.slice(0, 1).to_pylist()[0]
    weights = [first[f"{name}__weight"] for name in linked().fields]
    assert max(weights) > 5
    assert sum(weights) == pytest.approx(first["match_weight"] - prior_bits(), abs=0.01)


def prior_bits() -> float:
    return scoring.bits(linked().trained.prior)


def test_two_verified_numbers_are_never_one_and_one_number_is_one() -> None:
    table = people()
    owner: dict[str, set[str]] = {}
    cluster_of_number: dict[str, set[str]] = {}
    for row, cluster in zip(table.to_pylist(), linked().clusters["cluster"].to_pylist(), strict=True):
        if row["id_checked"]:
            owner.setdefault(cluster, set()).add(row["id_number"])
            cluster_of_number.setdefault(row["id_number"], set()).add(cluster)
    assert len(owner) > 500
    assert all(len(numbers) == 1 for numbers in owner.values())
    assert all(len(clusters) == 1 for clusters in cluster_of_number.values())


def row(record: str, **given: object) -> dict[str, object]:
    empty = {
        "name": None,
        "sex": None,
        "born": None,
        "id_number": None,
        "id_checked": False,
        "phone": None,
        "address": None,
    }
    return {"record": record, **empty, **given}


def with_people(*rows: dict[str, object]) -> pa.Table:
    plain = people().drop_columns(["person"])
    return pa.concat_tables([plain, pa.Table.from_pylist(list(rows), schema=plain.schema)])


def clusters_of(found: Linked, *records: str) -> list[str]:
    listed = dict(zip(found.clusters["record"].to_pylist(), found.clusters["cluster"].to_pylist(), strict=True))
    return [listed[each] for each in records]


SELF = {"name": "欧阳云舒", "sex": "女", "born": "1971-03-09", "phone": "13900001111",
        "address": "盐城市亭湖区建军路7号阳光花园3幢1单元501室"}  # fmt: skip


def test_a_different_verified_number_forbids_what_all_else_says() -> None:
    one, two = "190101197103090028", "190102197103090046"
    table = with_people(
        row("a", **SELF, id_number=one, id_checked=True),
        row("b", **SELF, id_number=two, id_checked=True),
        row("c", **SELF),
    )
    found = link.link(table, CHINESE, linked().trained)
    a, b, c = clusters_of(found, "a", "b", "c")
    assert a != b
    assert c in (a, b)
    at_odds = {frozenset((each["left"], each["right"])) for each in found.conflicts.to_pylist()}
    assert at_odds >= {frozenset(("b" if c == a else "a", "c"))}


def test_an_unverified_number_forbids_nothing() -> None:
    table = with_people(
        row("a", **SELF, id_number="190101197103090028"), row("b", **SELF, id_number="190101197103090082")
    )
    a, b = clusters_of(link.link(table, CHINESE, linked().trained), "a", "b")
    assert a == b


def test_twins_are_not_one() -> None:
    table = with_people(row("a", **SELF), row("b", **SELF | {"name": "欧阳雨薇", "phone": None}))
    found = link.link(table, CHINESE, linked().trained)
    a, b = clusters_of(found, "a", "b")
    assert a != b
    assert ("a", "b") in {(each["left"], each["right"]) for each in found.doubts.to_pylist()}


def test_twins_with_one_character_in_common_are_for_a_steward() -> None:
    table = with_people(row("a", **SELF), row("b", **SELF | {"name": "欧阳云薇"}))
    found = link.link(table, CHINESE, linked().trained)
    a, b = clusters_of(found, "a", "b")
    assert a != b
    assert ("a", "b") in {(each["left"], each["right"]) for each in found.doubts.to_pylist()}


def test_names_that_changed_places_and_pinyin_are_one() -> None:
    table = with_people(
        row("a", **SELF), row("b", **SELF | {"name": "云舒欧阳"}), row("c", **SELF | {"name": "OUYANG Yunshu"})
    )
    found = clusters_of(link.link(table, CHINESE, linked().trained), "a", "b", "c")
    assert len(set(found)) == 1


def test_a_column_without_a_value_does_no_harm() -> None:
    table = people().set_column(people().column_names.index("phone"), "phone", pa.nulls(len(people()), pa.string()))
    found = judge.judge(link.link(table, CHINESE).clusters["cluster"].to_pylist(), people()["person"].to_pylist())
    assert found.precision > 0.98
    assert found.f1 > 0.95


@pytest.mark.parametrize("count", [0, 1, 2])
def test_hardly_any_records(count: int) -> None:
    found = link.link(people().slice(0, count), CHINESE)
    assert len(found.clusters) == count
    assert len(found.pairs) <= 1


def test_a_rule_that_explodes_is_refused_with_its_number() -> None:
    wrong = msgspec.structs.replace(CHINESE, blocking=(("sex",),))
    with pytest.raises(Invalid) as refused:
        link.link(people(), wrong)
    assert refused.value.code == "registers.linkage_blocking"
    assert refused.value.params["pairs"] > refused.value.params["most"]


def test_a_value_put_in_by_a_form_does_not_explode() -> None:
    born = ["1900-01-01" if place % 2 else each for place, each in enumerate(people()["born"].to_pylist())]
    table = people().set_column(people().column_names.index("born"), "born", pa.array(born))
    found = link.link(table, CHINESE)
    assert found.compared < 30 * len(table)
    assert judge.judge(found.clusters["cluster"].to_pylist(), people()["person"].to_pylist()).precision > 0.95


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"key": "nobody"}, "key"),
        ({"fields": (Field(name="nobody", kind="text"),)}, "nobody"),
        ({"fields": (Field(name="name", kind="name", partner="phone"),)}, "name"),
        ({"fields": (Field(name="name", kind="name", verified="*"),)}, "name"),
        ({"doubt": 0.99}, "link"),
        ({"one_to_one": True}, "one_to_one"),
        ({"blocking": (("name.nothing",),)}, "blocking"),
    ],
)
def test_a_model_that_does_not_fit_is_refused(change: dict[str, object], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        link.link(people(), msgspec.structs.replace(CHINESE, **change))
    assert (refused.value.code, refused.value.params["field"]) == ("registers.linkage_model", field)


def test_a_key_that_is_there_twice_is_refused() -> None:
    with pytest.raises(Invalid, match=r"registers\.linkage_key"):
        link.link(pa.concat_tables([people(), people().slice(0, 1)]), CHINESE)


def test_two_files_one_to_one() -> None:
    numbers = people()["person"].to_pylist()
    seen: dict[int, int] = {}
    places, files = [], []
    for place, person in enumerate(numbers):
        turn = seen[person] = seen.get(person, 0) + 1
        if turn <= 2:
            places.append(place)
            files.append("ab"[turn - 1])
    table = people().take(pa.array(places)).append_column("file", pa.array(files))
    model = msgspec.structs.replace(CHINESE, source="file", one_to_one=True)
    found = link.link(table, model)
    held: dict[str, list[str]] = {}
    for cluster, file in zip(found.clusters["cluster"].to_pylist(), files, strict=True):
        held.setdefault(cluster, []).append(file)
    assert all(len(each) == len(set(each)) for each in held.values())
    assert judge.judge(found.clusters["cluster"].to_pylist(), table["person"].to_pylist()).f1 > 0.98


def test_febrl3() -> None:
    each = _febrl3()
    if each is None:
        pytest.skip(f"febrl_dataset3.csv.gz is not in {DATA.name} (shared/data/record_linkage)")
    found = link.link(each.records, Model(fields=PERSON, key="rec_id"))
    assert judge.judge(found.clusters["cluster"].to_pylist(), each.truth).f1 >= 0.997


def test_judging() -> None:
    found = judge.judge(["a", "a", "a", "b"], [1, 1, 2, 2])
    assert (found.found, found.true, found.right) == (3, 2, 1)
    assert (found.precision, found.recall, found.f1) == (1 / 3, 1 / 2, 2 / 5)
