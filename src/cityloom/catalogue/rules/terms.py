"""Search terms of a text and of a question, in Chinese and English, for PostgreSQL's tsvector.

A run of Han characters gives the words that rjieba finds and all its pairs of characters: words find what is put in
another order, pairs find what is cut out of the middle or has one character wrong. A Latin word is itself; questions
look for it as a beginning, and where nothing begins so, for the words of the catalogue that are nearest by letters.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import msgspec

HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
RUN = re.compile(rf"[{HAN}]+|[^\W_{HAN}]+")
IS_HAN = re.compile(rf"[{HAN}]")
MOST_TERMS = 1500
"""Of one entry; what comes after is not found by its own words. A tsvector may hold 1 MiB."""

LONGEST = 60
MOST_ASKED = 24
SHORT_WORD = 5
WEIGHTS = "ABCD"


class Question(msgspec.Struct, frozen=True):
    """What is looked for: runs of Han characters and Latin words, in their order."""

    han: tuple[str, ...]
    latin: tuple[str, ...]

    @property
    def is_empty(self) -> bool:
        return not self.han and not self.latin


def runs(text: str) -> list[str]:
    """The runs of Han characters and the Latin words and numbers of a text, folded."""
    return RUN.findall(unicodedata.normalize("NFKC", text).casefold())


def is_han(run: str) -> bool:
    """Whether the run is of Han characters."""
    return bool(IS_HAN.match(run))


def pairs(run: str) -> list[str]:
    """The pairs of neighbouring characters; a single character is itself."""
    return [run[place : place + 2] for place in range(len(run) - 1)] or [run]


def words(run: str) -> list[str]:
    """The words of a run of Han characters, those of two and more characters."""
    import rjieba  # here: it makes its dictionary ready when it is loaded

    return [word for word in rjieba.cut_for_search(run) if len(word) > 1]


def terms(text: str) -> Iterable[str]:
    """Everything under which a text is found."""
    for run in runs(text):
        if is_han(run):
            yield from words(run)
            yield from pairs(run)
            yield run[-1]  # with the pairs, every character begins some term
        else:
            yield run[:LONGEST]


def vector(texts: Sequence[str]) -> str:
    """The tsvector (as text) of up to four texts, the most telling first."""
    found: dict[str, str] = {}
    for weight, text in zip(WEIGHTS, texts, strict=False):
        for term in terms(text):
            if len(found) >= MOST_TERMS:
                break
            found.setdefault(term, weight)
    return " ".join(f"{_quoted(term)}:1{weight}" for term, weight in found.items())


LEXEME = re.compile(r"'((?:[^'\\]|''|\\\\)*)':1")


def counted(vectors: Iterable[str]) -> dict[str, int]:
    """In how many of the vectors (as text) each term is."""
    return Counter(term.replace("''", "'").replace("\\\\", "\\") for each in vectors for term in LEXEME.findall(each))


def is_word(term: str) -> bool:
    """Whether it is a Latin word that a misspelled question may mean."""
    return len(term) > 2 and not is_han(term) and not term.isdigit()


def parts(word: str) -> list[str]:
    """The letter groups of a Latin word, its ends marked: cat → ^ca, cat, at$."""
    marked = f"^{word}$"
    return sorted({marked[place : place + 3] for place in range(len(marked) - 2)})


def question(text: str) -> Question:
    """What a text asks for, without repetitions."""
    found = list(dict.fromkeys(runs(text)))[:MOST_ASKED]
    return Question(
        tuple(run[:LONGEST] for run in found if is_han(run)), tuple(run[:LONGEST] for run in found if not is_han(run))
    )


def precise(asked: Question, meant: Mapping[str, Sequence[str]]) -> str:
    """The tsquery (as text) of entries that have all that is asked for.

    `meant` has the catalogue's words for those Latin words that nothing begins with.
    """
    return " & ".join([*(_han(run) for run in asked.han), *(_latin(word, meant.get(word, ())) for word in asked.latin)])


def _han(run: str) -> str:
    if len(run) == 1:
        return f"{_quoted(run)}:*"
    either = [" & ".join(map(_quoted, pairs(run)))]
    if found := words(run):
        either.append(" & ".join(map(_quoted, found)))
    return "(" + " | ".join(f"({each})" for each in dict.fromkeys(either)) + ")"


def _latin(word: str, meant: Sequence[str]) -> str:
    return "(" + " | ".join([f"{_quoted(word)}:*", *map(_quoted, meant)]) + ")"


def loose(asked: Question, meant: Mapping[str, Sequence[str]], entries: Mapping[str, int], most: int) -> str:
    """The tsquery (as text) of entries that have some of it; empty where there is nothing.

    One wrong character leaves one half of its run as it is, and one wrong word all others. Beside these, the rarest
    terms are looked for, as long as they are in few entries: `entries` says in how many each is, `most` how many may be
    looked at.
    """
    candidates = {term for run in asked.han for term in (*pairs(run), *words(run))}
    candidates |= {word for latin in asked.latin for word in (latin, *meant.get(latin, ()))}
    known = sorted((entries[term], term) for term in candidates if entries.get(term))
    chosen, looked_at = list[str](), 0
    for count, term in known:
        if chosen and looked_at + count > most:
            break
        chosen.append(_quoted(term))
        looked_at += count
    return " | ".join(dict.fromkeys([*_halves(asked), *_without_one(asked, meant), *chosen]))


def _halves(asked: Question) -> list[str]:
    """Each half of each run, without the pair that joins them."""
    long = [run for run in asked.han if len(run) >= 4]
    halves = [half for run in long for half in (run[: len(run) // 2], run[len(run) // 2 :])]
    return ["(" + " & ".join(map(_quoted, pairs(half))) + ")" for half in halves]


def _without_one(asked: Question, meant: Mapping[str, Sequence[str]]) -> list[str]:
    """All Latin words but one, where there are at least three."""
    spelt = [_latin(word, meant.get(word, ())) for word in asked.latin]
    if not 3 <= len(spelt) <= 8:
        return []
    return ["(" + " & ".join(spelt[:left] + spelt[left + 1 :]) + ")" for left in range(len(spelt))]


def asked_terms(asked: Question) -> list[str]:
    """The terms whose rarity `loose` needs."""
    return sorted({term for run in asked.han for term in (*pairs(run), *words(run))} | set(asked.latin))


def likeness(asked: Question, text: str) -> float:
    """How much of what is asked is in the text, 0 to 1: by pairs of characters and by letter groups."""
    have_han: set[str] = set()
    have_latin: set[str] = set()
    for run in runs(text):
        if is_han(run):
            have_han.update(pairs(run))
            have_han.update(run)
        else:
            have_latin.update(parts(run))
    scores = []
    for run in asked.han:
        whole, single = pairs(run), list(run)
        in_pairs = sum(pair in have_han for pair in whole) / len(whole)
        in_characters = sum(letter in have_han for letter in single) / len(single)
        scores += [(2 * in_pairs + in_characters) / 3] * len(run)
    for word in asked.latin:
        groups = parts(word)
        scores += [sum(group in have_latin for group in groups) / len(groups)] * max(1, len(word) // 3)
    return sum(scores) / len(scores) if scores else 0.0


def nearest(word: str, known: Iterable[str]) -> list[str]:
    """The known words that differ from `word` by one letter, or by two where it is long; nearest first."""
    allowed = 1 if len(word) <= SHORT_WORD else 2
    found = [(distance(word, each, allowed), each) for each in known]
    return [each for steps, each in sorted(found) if steps <= allowed][:5]


def distance(one: str, other: str, limit: int) -> int:
    """Letters to change, add, drop or swap with their neighbour to make one word the other; more than limit: limit + 1."""
    if abs(len(one) - len(other)) > limit:
        return limit + 1
    before, last = list[int](), list(range(len(other) + 1))
    for row, letter in enumerate(one, 1):
        line = [row]
        for column, against in enumerate(other, 1):
            cost = min(last[column] + 1, line[-1] + 1, last[column - 1] + (letter != against))
            if row > 1 and column > 1 and letter == other[column - 2] and one[row - 2] == against:
                cost = min(cost, before[column - 2] + 1)
            line.append(cost)
        if min(line) > limit:
            return limit + 1
        before, last = last, line
    return last[-1]


def _quoted(term: str) -> str:
    return "'" + term.replace("\\", "\\\\").replace("'", "''") + "'"
