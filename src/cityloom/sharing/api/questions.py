"""Questions about single records, and claims to verify, under a grant: answered in groups.

One transaction looks up all tokens, grant versions, quotas and records, writes every use and its audit entries, and
commits; only then is each question answered, with its signature.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from cityloom.exchange.api import excerpts
from cityloom.exchange.contracts import key_text
from cityloom.identity import api as identity
from cityloom.identity.contracts import Credentials
from cityloom.kernel.access import Principal
from cityloom.kernel.audit.entry import Entry
from cityloom.kernel.context import Context, Parts
from cityloom.kernel.db import PLATFORM, Transaction
from cityloom.kernel.desk import MOST, Desk
from cityloom.kernel.errors import Problem, Refused, Unavailable
from cityloom.kernel.words import Words
from cityloom.sharing.api import grants, logbook, signing
from cityloom.sharing.api.held import Held
from cityloom.sharing.contracts import Answer, Claims, LineAnswer, Question, Statement
from cityloom.sharing.rules import files, using
from cityloom.sharing.rules.using import Live
from cityloom.sharing.store import projections
from cityloom.sharing.store.projections import ProjectionRow
from cityloom.sharing.store.uses import NewUse


class Asked(msgspec.Struct, frozen=True):
    """A question as it came in."""

    grant: str
    way: str
    question: Question
    credentials: Credentials
    purpose: str
    request: str
    known: Callable[[Principal], None] = lambda _: None
    """Is told who asks, once that is known."""

    @property
    def claims(self) -> dict[str, Any]:
        return self.question.claims if isinstance(self.question, Claims) else {}


class Permitted(msgspec.Struct, frozen=True):
    """A question whose asker may ask it, by its place in the group."""

    place: int
    asked: Asked
    who: Principal
    grant: Live


class Found(msgspec.Struct, frozen=True):
    """What a question will be answered with."""

    permitted: Permitted
    copy: ProjectionRow
    shown: dict[str, Any] | None
    use: NewUse


QuestionDesk = Desk[Asked, Answer]


def desk(parts: Parts) -> QuestionDesk:
    """Where the questions of one process are answered, in groups."""
    return Desk("sharing-desk", Answerer(parts).answer)


class Answerer:
    """Answers groups, one at a time."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self._held = Held(parts)
        self._secret = bytes.fromhex(logbook.secret(parts, "record_keys"))

    def answer(self, group: Sequence[Asked]) -> list[Answer | Exception]:
        """One answer, or the reason why not, for each question."""
        answers: list[Answer | Exception] = [Unavailable("kernel.database_unreachable")] * len(group)
        now = self.parts.clock.now()
        with self.parts.db.begin(PLATFORM) as tx:
            permitted, refused = self._permit(tx, group, answers, now)
            permitted = self._metered(tx, permitted, answers, now)
            found = self._look_up(tx, permitted, answers)
            positions, _ = logbook.keep(tx, [each.use for each in found], refused, now)
        for each, position in zip(found, positions, strict=True):
            answers[each.permitted.place] = self._sign(each, position, now)
        return answers

    def _permit(
        self, tx: Transaction, group: Sequence[Asked], answers: list[Answer | Exception], now: datetime
    ) -> tuple[list[Permitted], list[Entry]]:
        """Who asks, and whether the grant is theirs, for this purpose, now, and gives this."""
        people = identity.authenticate_many(tx, self.parts, [each.credentials for each in group])
        grants = self._held.grants(tx, {each.grant for each in group})
        permitted, refused = [], []
        for place, (asked, who) in enumerate(zip(group, people, strict=True)):
            grant = grants.get(asked.grant)
            if isinstance(who, Principal):
                asked.known(who)
            problem = who if isinstance(who, Exception) else self._refusal(who, asked, grant, now)
            if problem is None and grant is not None and isinstance(who, Principal):
                permitted.append(Permitted(place, asked, who, grant))
                continue
            answers[place] = problem or Refused("sharing.grant_unknown", grant=asked.grant)
            if isinstance(who, Principal) and isinstance(problem, Refused):
                refused.append(_refused(asked, who, now))
        return permitted, refused

    def _refusal(self, who: Principal, asked: Asked, grant: Live | None, now: datetime) -> Problem | None:
        """Why this is not answered; None if it is."""
        problem = self._held.refusal(who, asked.grant, grant, asked.way, asked.purpose, now)
        if problem is not None or grant is None:
            return problem
        return using.wrong_key(grant, asked.question.key) or using.wrong_claims(grant, asked.claims)

    def _metered(
        self, tx: Transaction, permitted: list[Permitted], answers: list[Answer | Exception], now: datetime
    ) -> list[Permitted]:
        """Those within their grants' quotas; the others are told when to come again."""
        within = []
        for each, problem in zip(
            permitted, logbook.meter(tx, self.parts, [p.grant for p in permitted], now), strict=True
        ):
            if problem is None:
                within.append(each)
            else:
                answers[each.place] = problem
        return within

    def _look_up(
        self, tx: Transaction, permitted: Sequence[Permitted], answers: list[Answer | Exception]
    ) -> list[Found]:
        if not permitted:
            return []
        copies = projections.several(tx, list({each.grant.dataset for each in permitted}))
        ready = []
        for each in permitted:
            copy = copies.get(each.grant.dataset)
            if copy is None or copy.generation == 0:
                answers[each.place] = Unavailable("sharing.copy_not_ready", dataset=each.grant.dataset)
            else:
                ready.append((each, copy, key_text(each.asked.question.key)))
        if not ready:
            return []
        records = projections.records(
            tx,
            [copy.number for _, copy, _ in ready],
            [copy.generation for _, copy, _ in ready],
            [key for *_, key in ready],
        )
        return [self._found(each, copy, key, records.get(n)) for n, (each, copy, key) in enumerate(ready)]

    def _found(self, permitted: Permitted, copy: ProjectionRow, key: str, record: str | None) -> Found:
        asked, grant, who = permitted.asked, permitted.grant, permitted.who
        shown = grant.show(msgspec.json.decode(record, type=dict[str, Any])) if record else None
        fields = asked.claims or grant.terms.fields
        use = NewUse(
            grant.id, logbook.new_id(), who.organisation, grant.keeper, grant.dataset, who.name, asked.way,
            asked.purpose, asked.question.case, ",".join(fields), using.digest(self._secret, grant.dataset, key),
            shown is not None, None, copy.sequence, asked.request,
        )  # fmt: skip
        return Found(permitted, copy, shown, use)

    def _sign(self, found: Found, position: int, now: datetime) -> Answer:
        asked, grant, use = found.permitted.asked, found.permitted.grant, found.use
        verified = asked.way == "verify"
        followed = found.copy.followed_at
        statement = Statement(
            use=use.id,
            grant=grant.id,
            dataset=grant.dataset,
            organisation=use.organisation,
            purpose=asked.purpose,
            case=asked.question.case,
            fields=tuple(asked.claims or grant.terms.fields),
            found=found.shown is not None,
            record=None if verified else found.shown,
            matches=using.matches(found.shown, asked.claims) if verified else None,
            sequence=found.copy.sequence,
            lag_seconds=round(max(0.0, (now - followed).total_seconds()), 3) if followed else -1.0,
            at=now,
            audit_position=position,
        )
        return signing.signed(self.parts.signer, msgspec.json.encode(statement))


def _refused(asked: Asked, who: Principal, now: datetime) -> Entry:
    return Entry(
        time=now, actor=who.name, organisation=who.organisation, action="access.refused",
        subject=f"grant:{asked.grant}", purpose=asked.purpose, request=asked.request, facts={"right": "sharing.use"},
    )  # fmt: skip


def keys_of_file(ctx: Context, grant: str, content: bytes) -> list[tuple[str, ...]]:
    """The keys that a file asks for under a grant. Right `sharing.use`; raises what `files.keys` raises."""
    row = grants.asked(ctx, "sharing.use", grant)
    return files.keys(content, excerpts.facts(ctx, row.dataset).key)


async def answer_lines(
    desk: QuestionDesk, asked: Sequence[Asked], words: Words, language: str
) -> AsyncIterator[LineAnswer]:
    """The answers to a file's lines in order, a group at a time; a line that is refused does not stop the others."""
    for start in range(0, len(asked), MOST):
        group = asked[start : start + MOST]
        answers = await asyncio.gather(*(desk.ask(each) for each in group), return_exceptions=True)
        for line, answer in enumerate(answers, start + 2):
            if isinstance(answer, Answer):
                yield LineAnswer(line, answer.statement, answer.signature)
            elif isinstance(answer, Problem):
                detail, remedy = words.problem(answer, language)
                yield LineAnswer(line, code=answer.code, detail=detail, remedy=remedy)
            else:
                raise answer
