"""School admission in the sample city: the education bureau asks the facts of every six-year-old, and nobody brings a paper."""

from collections.abc import Iterator, Sequence
from datetime import datetime

import msgspec

from cityloom import client
from cityloom.facts.contracts import Outcome, Statement
from cityloom.samplecity.contracts import PlannedApplication
from cityloom.sharing.contracts import LineAnswer

RIGHTS = ("facts.ask", "facts.read_asked")
LIST, ASKER, PURPOSE = "school_admission", "education", "school_admission"
MOST = 1_000
"""Children that are asked about."""
BATCH = 200


class Admission(msgspec.Struct, frozen=True):
    """What came of it."""

    applications: int
    facts: int
    """Facts answered with yes or no."""
    papers_asked: int
    """Facts for which parents would have to bring a paper."""
    refused: int
    agreement: float
    """Share of the facts with a seeded truth that were answered as it is."""


def ask(asker: client.Exchange, planned: Sequence[PlannedApplication], now: datetime) -> Admission:
    """Ask for all, in batches. Raises ValueError for a question that was refused."""
    facts = papers = refused = right = judged = 0
    for application, statement in _statements(asker, planned, now):
        answers = {fact.name: fact.answer for fact in statement.facts}
        facts += sum(answer in (Outcome.yes, Outcome.no) for answer in answers.values())
        refused += sum(answer == Outcome.refused for answer in answers.values())
        papers += statement.papers_asked
        for name, truth in application.truth.items():
            judged += 1
            right += answers.get(name) == (Outcome.yes if truth else Outcome.no)
    return Admission(len(planned), facts, papers, refused, round(right / judged, 4) if judged else 1.0)


def _statements(
    asker: client.Exchange, planned: Sequence[PlannedApplication], now: datetime
) -> Iterator[tuple[PlannedApplication, Statement]]:
    asker.http.headers["x-purpose"] = PURPOSE
    numbered = enumerate(planned, 1)
    while some := [each for _, each in zip(range(BATCH), numbered, strict=False)]:
        questions = [
            {
                "case": f"admission-{number}",
                "subjects": {"child": [each.child], "guardians": list(each.guardians)},
                "consent": {"by": each.guardians[0], "reference": f"form-{number}", "given_at": now.isoformat()},
                "given": {"school": each.school},
            }
            for number, each in some
        ]
        answer = client.checked(asker.http.post(f"/api/facts/{LIST}/ask", json={"questions": questions}))
        for (_, each), line in zip(some, msgspec.convert(answer, list[LineAnswer]), strict=True):
            if line.statement is None:
                raise ValueError(f"{line.code}: {line.detail}")
            yield each, msgspec.json.decode(line.statement, type=Statement)
