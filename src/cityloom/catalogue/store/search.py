"""The search table, and the terms of the catalogue."""

from collections.abc import Mapping, Sequence

import msgspec

from cityloom.catalogue.contracts import FacetName, Filter
from cityloom.kernel.db import Transaction


class SearchRow(msgspec.Struct, frozen=True):
    """What search knows of one resource; `words` is a tsvector as text."""

    id: str
    keeper: str
    sharing: str
    openness: str
    subject: str
    category: str
    grade: int
    title: str
    texts: str
    words: str


class Hit(msgspec.Struct, frozen=True):
    """A resource that search found."""

    id: str
    title: str
    texts: str


class Count(msgspec.Struct, frozen=True):
    """In how many entries a term is."""

    term: str
    entries: int


WHERE = """(%(keeper)s = '' OR keeper = %(keeper)s) AND (%(sharing)s = '' OR sharing = %(sharing)s)
  AND (%(openness)s = '' OR openness = %(openness)s) AND (%(subject)s = '' OR subject = %(subject)s)
  AND (%(category)s = '' OR starts_with(category, %(category)s)) AND (%(grade)s = 0 OR grade = %(grade)s)"""


def put(tx: Transaction, rows: Sequence[SearchRow]) -> None:
    """Bring these resources up to date."""
    columns = list(zip(*(msgspec.structs.astuple(row) for row in rows), strict=True))
    if not columns:
        return
    tx.execute(
        """INSERT INTO catalogue.search
             (id, keeper, sharing, openness, subject, category, grade, title, texts, words)
           SELECT id, keeper, sharing, openness, subject, category, grade, title, texts, words::tsvector
           FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::int[], %s::text[],
                       %s::text[], %s::text[])
             AS new (id, keeper, sharing, openness, subject, category, grade, title, texts, words)
           ON CONFLICT (id) DO UPDATE SET keeper = excluded.keeper, sharing = excluded.sharing,
             openness = excluded.openness, subject = excluded.subject, category = excluded.category,
             grade = excluded.grade, title = excluded.title, texts = excluded.texts, words = excluded.words""",
        [list(column) for column in columns],
    )


def remove(tx: Transaction, ids: Sequence[str]) -> int:
    """Search finds them no more."""
    return tx.execute("DELETE FROM catalogue.search WHERE id = ANY(%s)", [list(ids)])


def clear(tx: Transaction) -> int:
    """Forget everything, before it is gathered anew."""
    return tx.execute("DELETE FROM catalogue.search")


def add_terms(tx: Transaction, counts: Mapping[str, int], parts: Mapping[str, Sequence[str]]) -> None:
    """So many entries more have these terms; `parts` has the letter groups of those that are Latin words."""
    tx.execute(
        """INSERT INTO catalogue.term (term, entries, parts)
           SELECT term, entries, string_to_array(parts, E'\\x1f')
           FROM unnest(%s::text[], %s::int[], %s::text[]) AS new (term, entries, parts)
           ON CONFLICT (term) DO UPDATE SET entries = term.entries + excluded.entries""",
        [list(counts), list(counts.values()), ["\x1f".join(parts.get(term, ())) for term in counts]],
    )


def count_terms(tx: Transaction) -> int:
    """Count in how many entries each term is; the number of terms."""
    tx.execute("DELETE FROM catalogue.term")
    return tx.execute(
        """INSERT INTO catalogue.term (term, entries)
           SELECT word, ndoc FROM ts_stat('SELECT words FROM catalogue.search')"""
    )


def set_parts(tx: Transaction, words: Mapping[str, Sequence[str]]) -> None:
    """Letter groups of Latin words that are counted."""
    tx.execute(
        """UPDATE catalogue.term SET parts = string_to_array(new.parts, E'\\x1f')
           FROM unnest(%s::text[], %s::text[]) AS new (term, parts) WHERE term.term = new.term""",
        [list(words), ["\x1f".join(parts) for parts in words.values()]],
    )


def latin_terms(tx: Transaction) -> list[str]:
    """The terms that are Latin words."""
    return tx.values(
        str, "SELECT term FROM catalogue.term WHERE term ~ '^[[:alpha:]]{3,}$' AND term ~ '^[a-zà-ÿ]' ORDER BY term"
    )


def counts(tx: Transaction, terms: Sequence[str]) -> dict[str, int]:
    """In how many entries each of the terms is."""
    found = tx.all(Count, "SELECT term, entries FROM catalogue.term WHERE term = ANY(%s)", [list(terms)])
    return {row.term: row.entries for row in found}


def begun(tx: Transaction, word: str) -> bool:
    """Whether some term of the catalogue begins so."""
    return tx.scalar(
        bool, "SELECT EXISTS (SELECT FROM catalogue.search WHERE words @@ %s::tsquery)", [_beginning(word)]
    )


def _beginning(word: str) -> str:
    return "'" + word.replace("\\", "\\\\").replace("'", "''") + "':*"


def like(tx: Transaction, parts: Sequence[str], length: int, limit: int = 200) -> list[str]:
    """Latin words of about that length which share letter groups, those that share most first."""
    return tx.values(
        str,
        """SELECT term FROM catalogue.term
           WHERE parts && %(parts)s AND length(term) BETWEEN %(length)s - 2 AND %(length)s + 2
           ORDER BY cardinality(ARRAY(SELECT unnest(parts) INTERSECT SELECT unnest(%(parts)s))) DESC, term LIMIT %(limit)s""",
        {"parts": list(parts), "length": length, "limit": limit},
    )


RANK = "ts_rank('{0.05, 0.1, 0.3, 1.0}', words, %(query)s::tsquery) DESC, length(title), id"


def find(tx: Transaction, query: str, wanted: Filter, most: int) -> list[str]:
    """Ids of the resources that match a tsquery, best first; of more than `most`, the best of some `most`."""
    return tx.values(
        str,
        f"""SELECT id FROM (
              SELECT id, title, words FROM catalogue.search WHERE words @@ %(query)s::tsquery AND {WHERE}
              LIMIT %(most)s) AS chosen
            ORDER BY {RANK}""",
        {"query": query, "most": most, **msgspec.structs.asdict(wanted)},
    )


def resembling(tx: Transaction, query: str, wanted: Filter, most: int, best: int) -> list[Hit]:
    """The `best` of some `most` resources that match a tsquery, with their texts."""
    return tx.all(
        Hit,
        f"""SELECT id, title, texts FROM (
              SELECT id, title, texts, words FROM catalogue.search WHERE words @@ %(query)s::tsquery AND {WHERE}
              LIMIT %(most)s) AS chosen
            ORDER BY {RANK} LIMIT %(best)s""",
        {"query": query, "most": most, "best": best, **msgspec.structs.asdict(wanted)},
    )


def listed(tx: Transaction, wanted: Filter, offset: int, limit: int) -> list[str]:
    """Ids by id."""
    return tx.values(
        str,
        f"SELECT id FROM catalogue.search WHERE {WHERE} ORDER BY id OFFSET %(offset)s LIMIT %(limit)s",
        {"offset": offset, "limit": limit, **msgspec.structs.asdict(wanted)},
    )


def total(tx: Transaction, wanted: Filter) -> int:
    """How many there are."""
    return tx.scalar(int, f"SELECT count(*) FROM catalogue.search WHERE {WHERE}", msgspec.structs.asdict(wanted))


class FacetRow(msgspec.Struct, frozen=True):
    """How many entries have a value."""

    name: FacetName
    value: str
    count: int


def facets(tx: Transaction, wanted: Filter, ids: Sequence[str] | None) -> list[FacetRow]:
    """Values of each filter over what fits, the most frequent first; of these ids only, or of all."""
    return tx.all(
        FacetRow,
        f"""SELECT CASE WHEN GROUPING(keeper) = 0 THEN 'keeper' WHEN GROUPING(sharing) = 0 THEN 'sharing'
                    WHEN GROUPING(openness) = 0 THEN 'openness' WHEN GROUPING(subject) = 0 THEN 'subject'
                    WHEN GROUPING(grade) = 0 THEN 'grade' ELSE 'category' END AS name,
                   coalesce(keeper, sharing, openness, subject, grade::text, left(category, 3)) AS value,
                   count(*) AS count
            FROM catalogue.search WHERE {WHERE} AND (%(ids)s::text[] IS NULL OR id = ANY(%(ids)s))
            GROUP BY GROUPING SETS ((keeper), (sharing), (openness), (subject), (grade), (left(category, 3)))
            ORDER BY name, count DESC, value""",
        {"ids": None if ids is None else list(ids), **msgspec.structs.asdict(wanted)},
    )
