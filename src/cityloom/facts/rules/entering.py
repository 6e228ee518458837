"""Whether a question fits its list: who and what is named, and whether consent was given in time."""

import re
from datetime import date, datetime, timedelta

from cityloom.facts.contracts import Question
from cityloom.facts.spec import FactList
from cityloom.kernel.errors import Invalid, Problem

AROUND = timedelta(days=366)
"""How far from today the day may be for which is asked."""


def fault(name: str, declared: FactList, question: Question, now: datetime, today: date) -> Problem | None:
    """Why a question cannot be asked; None if it can."""
    return (
        _subjects(name, declared, question)
        or _given(declared, question)
        or _facts(name, declared, question)
        or _consent(declared, question, now)
        or _day(question, today)
    )


def _subjects(name: str, declared: FactList, question: Question) -> Problem | None:
    known = {each.name: each for each in declared.subjects}
    named = question.subjects
    fits = set(known) == set(named) and all(len(values) <= known[each].most for each, values in named.items())
    if fits and all(len(set(values)) == len(values) for values in named.values()):
        return None
    wanted = ", ".join(f"{each.name} (1–{each.most})" for each in declared.subjects)
    return Invalid("facts.subjects_wrong", list=name, wanted=wanted)


def _given(declared: FactList, question: Question) -> Problem | None:
    for each in declared.given:
        if re.fullmatch(each.pattern, question.given.get(each.name, "")) is None:
            return Invalid("facts.given_wrong", name=each.name, pattern=each.pattern)
    for other in sorted(set(question.given) - {each.name for each in declared.given}):
        known = ", ".join(each.name for each in declared.given) or "–"
        return Invalid("facts.given_unknown", name=other[:63], known=known)
    return None


def _facts(name: str, declared: FactList, question: Question) -> Problem | None:
    known = [fact.name for fact in declared.facts]
    for each in question.facts:
        if each not in known:
            return Invalid("facts.fact_unknown", fact=each, list=name, known=", ".join(known))
    return None


def _consent(declared: FactList, question: Question, now: datetime) -> Problem | None:
    consent = question.consent
    if consent.by not in question.subjects.get(declared.consent, ()):
        return Invalid("facts.consent_of_another", subject=declared.consent)
    if consent.given_at.tzinfo is None or consent.given_at > now:
        return Invalid("facts.consent_not_yet")
    if now - consent.given_at > timedelta(days=declared.consent_days):
        return Invalid("facts.consent_over", days=declared.consent_days)
    return None


def _day(question: Question, today: date) -> Problem | None:
    if question.day is not None and abs(question.day - today) > AROUND:
        return Invalid("facts.day_too_far", day=question.day.isoformat(), days=AROUND.days)
    return None
