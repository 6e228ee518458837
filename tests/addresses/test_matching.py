"""Which standard address a text means: by hand in a small library, and on the labelled file of the sample city."""

from collections import Counter
from datetime import date

import pytest

from addresses.address_kit import TODAY, gazetteer, labelled
from addresses.library import Library
from cityloom.addresses.rules import codes
from cityloom.addresses.rules.gazetteer import Gazetteer
from cityloom.addresses.rules.levels import Level, write
from cityloom.addresses.rules.life import DivisionSpan, Entry
from cityloom.addresses.rules.parsing import parse
from cityloom.addresses.rules.scoring import Decision, Verdict
from cityloom.addresses.rules.search import Match, match

FUZHONG, FUXIN = "440304008001", "440304008002"
SINCE, CHANGED = date(2012, 3, 1), date(2025, 6, 1)
OLD_ROAD, OLD_GATE, OLD_ROOM = "1001", "1002", "1003"


def _entries() -> list[Entry]:
    def made(code: str, parent: str, level: Level, name: str, division: str = FUZHONG, **more: object) -> Entry:
        return Entry(code, parent, level, name, division, SINCE, **more)  # type: ignore[arg-type]

    return [
        made("1", "", Level.road, "红荔路", FUZHONG[:9]),
        made("2", "1", Level.number, "8号"),
        made("3", "2", Level.estate, "银盛花园"),
        made("4", "3", Level.building, "3栋"),
        made("5", "4", Level.unit, "1单元"),
        made("6", "5", Level.room, "501室"),
        made("7", "4", Level.unit, "2单元"),
        made("8", "7", Level.room, "502室"),
        made("9", "5", Level.room, "502室"),
        made("10", "1", Level.number, "12号", FUXIN),
        made("11", "10", Level.room, "201室", FUXIN),
        made("12", "1", Level.number, "14号"),
        made("20", "", Level.road, "翠竹路", "440303004"),
        made("21", "20", Level.number, "8号", "440303004001"),
        made("22", "", Level.road, "红荔西路", FUZHONG[:9]),
        made("23", "22", Level.number, "8号"),
        made("30", "", Level.estate, "阳光花园"),
        made("31", "30", Level.building, "1栋"),
        made("32", "", Level.estate, "阳光花园", "440303004001"),
        made("33", "32", Level.building, "1栋", "440303004001"),
        made(OLD_ROAD, "", Level.road, "旧名路", FUZHONG[:9], until=CHANGED, replaced_by=("1",)),
        made(OLD_GATE, OLD_ROAD, Level.number, "6号", until=CHANGED, replaced_by=("2",)),
        made("40", "1", Level.number, "20号", until=CHANGED, replaced_by=("41", "42")),
        made("41", "1", Level.number, "20-1号"),
        made("42", "1", Level.number, "20-2号"),
        made("43", "1", Level.number, "30号", until=CHANGED),
        made("50", "1", Level.number, "50号", until=date(2020, 1, 1), replaced_by=("12",)),
        Entry("51", "1", Level.number, "50号", FUZHONG, date(2020, 1, 1)),
    ]


LIBRARY = Library(_entries(), [DivisionSpan("10", FUZHONG, SINCE, CHANGED)])


def _match(text: str, known: Gazetteer | None = None, **more: date) -> Match:
    return match(LIBRARY, parse(text, known or gazetteer()), more.pop("on", TODAY), **more)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("深圳市福田区莲花街道福中社区红荔路8号银盛花园3栋1单元501室", "6"),
        ("福田红荔路8号3栋1单元501", "6"),
        ("銀盛花園三棟501", "6"),
        ("银盛花园3-1-501（快递放门口）", "6"),
        ("深圳市福田区莲花街道红荔路１２号２０１房", "11"),
        ("福田区红荔路12栋201", "11"),
        ("福田区红荔路8号", "2"),
        ("罗湖区翠竹路8号", "21"),
        ("罗湖阳光花园1幢", "33"),
        ("福田区红荔路14号302室", "12"),
    ],
)  # fmt: skip
def test_what_is_matched(text: str, code: str) -> None:
    found = _match(text)
    assert (found.decision, found.code) == (Decision.matched, code), found


@pytest.mark.parametrize(
    ("text", "code", "why"),
    [
        ("福田区红荔路8号3栋502", "8", "two units have it"),
        ("福田区红荔路8号对面", "2", "only near it"),
        ("福田区红荔路8号3栋1单元909室", "5", "there are rooms, but not this one"),
        ("福田区红荔路99号", "1", "there are numbers, but not this one"),
        ("罗湖区红荔路8号", "2", "the road lies in another district"),
        ("阳光花园1栋", "31", "two estates have the name"),
        ("福田区红力路8号", "2", "a wrong character in three"),
        ("福田区红荔路20号", "41", "one house became two"),
    ],
)
def test_what_somebody_must_look_at(text: str, code: str, why: str) -> None:
    found = _match(text)
    assert found.decision == Decision.doubtful, found
    assert code in {found.code, *(each.code for each in found.alternatives)}, why


@pytest.mark.parametrize("text", ["南京市鼓楼区红荔路8号", "福田区无此路8号", "", "12号", "江苏省盐城市亭湖区五星街道"])
def test_what_is_not_matched(text: str) -> None:
    found = _match(text)
    assert (found.decision, found.code, found.findings) == (Decision.unmatched, "", ())


def test_the_reasons_are_told() -> None:
    found = _match("罗湖区红荔路8号3栋1单元501室")
    assert [(each.level, each.verdict) for each in found.findings] == [
        (Level.district, Verdict.differed), (Level.road, Verdict.agreed), (Level.number, Verdict.agreed),
        (Level.estate, Verdict.missing), (Level.building, Verdict.agreed), (Level.unit, Verdict.agreed),
        (Level.room, Verdict.agreed),
    ]  # fmt: skip
    assert found.findings[0].known == "440304"


def test_the_old_text_leads_to_the_new_address_with_its_day() -> None:
    found = _match("福田区旧名路6号3栋1单元501")
    assert (found.decision, found.code) == (Decision.matched, "6")
    found = _match("福田区旧名路6号")
    assert (found.decision, found.code, found.via, found.ended) == (Decision.matched, "2", OLD_GATE, CHANGED)


def test_an_abolished_address_is_found_with_its_last_day() -> None:
    found = _match("福田区红荔路30号")
    assert (found.decision, found.code, found.ended) == (Decision.matched, "43", CHANGED)
    assert _match("福田区红荔路30号", on=date(2024, 1, 1)).ended is None


def test_a_number_given_anew_is_read_by_the_day_of_the_text() -> None:
    assert _match("福田区红荔路50号").code == "51"
    was = _match("福田区红荔路50号", written=date(2019, 5, 1))
    assert (was.code, was.via) == ("12", "50")
    assert _match("福田区红荔路50号", on=date(2019, 5, 1)).code == "50"


def test_a_boundary_that_was_redrawn_does_not_part_a_text_from_its_address() -> None:
    found = _match("深圳市福田区莲花街道福中社区红荔路12号")
    assert (found.decision, found.code) == (Decision.matched, "10")
    community = next(each for each in found.findings if each.level == Level.community)
    assert (community.verdict, community.known) == (Verdict.former, FUXIN)
    other = _match("深圳市福田区莲花街道福中社区红荔路12号201室")
    assert other.code == "11"
    never = match(Library(_entries()), parse("深圳市福田区莲花街道福中社区红荔路12号", gazetteer()), TODAY)
    assert never.decision == Decision.doubtful


def test_more_agreement_never_scores_less() -> None:
    texts = [
        "红荔路8号",
        "红荔路8号银盛花园",
        "红荔路8号银盛花园3栋",
        "福田区红荔路8号银盛花园3栋",
        "深圳市福田区莲花街道红荔路8号银盛花园3栋",
    ]
    scores = [_match(text).score for text in texts]
    assert scores == sorted(scores)
    assert scores[-1] == 1.0


@pytest.mark.parametrize(("city", "home"), [("shenzhen", "4403"), ("yancheng", "3209")])
def test_the_labelled_file(city: str, home: str) -> None:
    """Precision and recall on messy spellings. What is taken is right; what is in doubt is shown to somebody."""
    given = labelled(city, 20_000, 12)
    found: Counter[str] = Counter()
    for spelling in given.spellings:
        answer = match(given.library, parse(spelling.text, gazetteer(home)), TODAY)
        right = "none" if not spelling.code else "right" if answer.code == spelling.code else "wrong"
        found[f"{right} {answer.decision.value}"] += 1
    meant = sum(count for name, count in found.items() if not name.startswith("none"))
    taken = found["right matched"] + found["wrong matched"] + found["none matched"]
    assert len(given.spellings) > 2_000
    assert sum(found[f"none {each.value}"] for each in Decision) > 150
    assert found["right matched"] / taken >= 0.995, found
    assert found["right matched"] / meant >= 0.95, found
    assert (found["right matched"] + found["right doubtful"]) / meant >= 0.98, found


def test_every_standard_text_of_a_library_finds_its_own_address() -> None:
    given = labelled("shenzhen", 20_000, 12)
    sample = [each for each in given.addresses if each.until is None][::53]
    wrong = [
        (each.text, answer.code)
        for each in sample
        if (answer := match(given.library, parse(each.text, gazetteer()), TODAY)).code != each.code
        or answer.decision != Decision.matched
    ]
    assert len(sample) > 300
    assert wrong == []


def test_the_standard_texts_of_a_library_parse_to_themselves() -> None:
    for each in labelled("shenzhen", 20_000, 12).addresses[::53]:
        parsed = parse(each.text, gazetteer())
        assert [part.level.name for part in parsed.parts[-len(each.steps) :]] == [level for level, _ in each.steps]
        assert parse(write(parsed.parts), gazetteer()).parts[-1].name == parsed.parts[-1].name


def test_the_sample_city_codes_as_the_register_does() -> None:
    given = labelled("shenzhen", 20_000, 12).addresses
    assert len({each.code for each in given}) == len(given)
    assert all(codes.is_valid(each.code) for each in given)
