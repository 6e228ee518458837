"""A desk: gathers what is asked of one process at the same time, and has it answered together.

The audit log takes some thousand transactions a second and many times as many entries. So what is asked while a group is
being answered waits for the next one.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

from cityloom.kernel.errors import Unavailable

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")

MOST = 64
"""Questions in a group."""


class Desk(Generic[Asked, Answer]):
    """Answers groups of at most `MOST`, one at a time, in a thread of its own."""

    def __init__(self, name: str, answer: Callable[[Sequence[Asked]], "list[Answer | Exception]"]) -> None:
        self._answer_group = answer
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._waiting: list[tuple[Asked, asyncio.Future[Answer]]] = []
        self._busy: asyncio.Task[None] | None = None

    async def ask(self, asked: Asked) -> Answer:
        """The answer. Raises the Problem for which there is none."""
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((asked, future))
        if self._busy is None or self._busy.done():
            self._busy = asyncio.create_task(self._work())
        return await future

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            group, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
            answers = await loop.run_in_executor(self._thread, self._answer, [each for each, _ in group])
            for (_, future), answer in zip(group, answers, strict=True):
                if future.done():
                    continue
                if isinstance(answer, Exception):
                    future.set_exception(answer)
                else:
                    future.set_result(answer)

    def _answer(self, group: list[Asked]) -> "list[Answer | Exception]":
        """The group's answers; where it fails as a whole, one by one, so that nobody pays for another's question."""
        try:
            return self._answer_group(group)
        except Unavailable as problem:
            return [problem] * len(group)
        except Exception as failure:  # noqa: BLE001 - whoever asked is told
            return [failure] if len(group) == 1 else [self._answer([each])[0] for each in group]
