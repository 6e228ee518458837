"""Bytes on their way in: written to the spool and hashed as they arrive, within limits of size and free disk."""

import errno
import hashlib
import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from anyio import CancelScope, current_time, move_on_after, to_thread

from cityloom.exchange.api import deliveries
from cityloom.exchange.contracts import Spooled
from cityloom.exchange.store.ledger import Delivery
from cityloom.kernel import disk
from cityloom.kernel.context import Context
from cityloom.kernel.errors import BadRequest, NoRoom, TooLarge, Unavailable

BEAT = 4.0
GATHER = 1 << 20
CHECK_EVERY = 64 << 20
PATIENCE = 60.0
"""Seconds that a sender may send nothing."""


class Writer:
    """One file of the spool in the making."""

    def __init__(self, ctx: Context, length: int | None) -> None:
        self.ctx = ctx
        self.limit = ctx.settings.delivery_max_mib << 20
        ctx.settings.spool.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path = ctx.settings.spool / uuid4().hex
        self.bytes = 0
        self.digest = hashlib.sha256()
        self._checked = 0
        if length is not None and length > self.limit:
            raise TooLarge("exchange.delivery_too_large", limit=ctx.settings.delivery_max_mib)
        disk.require(ctx.settings, length or 0)
        self._file = self.path.open("xb")

    def write(self, chunk: bytes) -> None:
        """Add bytes. Raises TooLarge or NoRoom `kernel.disk_full`."""
        self.bytes += len(chunk)
        if self.bytes > self.limit:
            raise TooLarge("exchange.delivery_too_large", limit=self.ctx.settings.delivery_max_mib)
        if self.bytes - self._checked > CHECK_EVERY:
            self._checked = self.bytes
            disk.require(self.ctx.settings, 0)
        self.digest.update(chunk)
        try:
            self._file.write(chunk)
        except OSError as error:
            raise _full(error) from error

    def finish(self) -> Spooled:
        """The whole file, on disk for good."""
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            _sync_folder(self.path.parent)
        except OSError as error:
            raise _full(error) from error
        self._file.close()
        return Spooled(str(self.path), self.bytes, self.digest.hexdigest())

    def drop(self) -> None:
        """Away with what was written."""
        with suppress(OSError):
            self._file.close()
        self.path.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """The name of a new file is on disk only when its folder is."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _full(error: OSError) -> Exception:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return NoRoom("kernel.disk_full", free=0, needed="?")
    return error


async def receive(ctx: Context, delivery: Delivery | None, stream: AsyncIterator[bytes], length: int | None) -> Spooled:
    """Spool the body of a request. On any failure nothing is kept and the id is given back.

    Raises TooLarge, Unavailable, BadRequest `exchange.body_cut_off` or `exchange.sender_stalled`.
    """
    ours = delivery if delivery is not None and delivery.state == "receiving" else None
    writer = None
    try:
        writer = await to_thread.run_sync(Writer, ctx, length)
        await _pour(ctx, ours, writer, stream)
        if length is not None and writer.bytes != length:
            raise BadRequest("exchange.body_cut_off", declared=length, found=writer.bytes)
        return await to_thread.run_sync(writer.finish)
    except BaseException:
        if writer is not None:
            writer.drop()
        if ours is not None:
            with CancelScope(shield=True), suppress(Unavailable):
                await to_thread.run_sync(deliveries.abandon, ctx, ours)
        raise


async def pass_over(ctx: Context, stream: AsyncIterator[bytes]) -> None:
    """Read what is still sent, no longer than any delivery may be, and keep nothing of it.

    An answer before the end of a body cuts the sender off, who then mostly loses the answer too (RFC 9112, 9.6).
    """
    left = ctx.settings.delivery_max_mib << 20
    with move_on_after(PATIENCE):
        async for chunk in stream:
            left -= len(chunk)
            if left < 0:
                return


async def _pour(ctx: Context, delivery: Delivery | None, writer: Writer, stream: AsyncIterator[bytes]) -> None:
    gathered, size, beaten = [], 0, time.monotonic()
    with move_on_after(PATIENCE) as scope:
        async for chunk in stream:
            gathered.append(chunk)
            size += len(chunk)
            if size >= GATHER:
                await to_thread.run_sync(writer.write, b"".join(gathered))
                gathered, size = [], 0
            if time.monotonic() - beaten > BEAT:
                beaten = time.monotonic()
                if delivery is not None:
                    await to_thread.run_sync(deliveries.keep_alive, ctx, delivery)
                scope.deadline = current_time() + PATIENCE
    if scope.cancelled_caught:
        raise BadRequest("exchange.sender_stalled", seconds=int(PATIENCE))
    await to_thread.run_sync(writer.write, b"".join(gathered))


def copy(ctx: Context, chunks: Iterator[bytes]) -> Spooled:
    """Spool what a watched folder or a pull brought."""
    writer = Writer(ctx, None)
    try:
        for chunk in chunks:
            writer.write(chunk)
        return writer.finish()
    except BaseException:
        writer.drop()
        raise


def discard(spooled: Spooled) -> None:
    """Away with a file that was not needed."""
    Path(spooled.path).unlink(missing_ok=True)
