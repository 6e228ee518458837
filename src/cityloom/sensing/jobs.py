"""Timed work of sensing; safe to run twice."""

from cityloom.kernel.context import Context
from cityloom.sensing.api import health, judging, keeping, sending, silence, upkeep


def make_days(ctx: Context) -> None:
    """Make the partitions of the days to come, so that no batch waits for one."""
    upkeep.make_days(ctx)


def judge_devices(ctx: Context) -> None:
    """Find devices that are silent, stuck, implausible or drifting, and those that are well again."""
    health.judge(ctx)


def forget_frames(ctx: Context) -> None:
    """Frames and quarantine whose time is over, or that are too many, go."""
    upkeep.forget_frames(ctx)


def keep_history(ctx: Context) -> None:
    """Move days that are over into the lake, drop their partitions, delete what is past its retention, keep files few."""
    keeping.keep(ctx)


def write_corrections(ctx: Context) -> None:
    """Write into the lake what was changed or removed of it."""
    keeping.write_corrections(ctx)


def judge(ctx: Context) -> None:
    """Judge what arrived by the rules of the packs."""
    judging.follow(ctx)


def silent(ctx: Context) -> None:
    """Look for Datastreams of which nothing comes."""
    silence.look(ctx)


def push_events(ctx: Context) -> None:
    """Send what was told of events to those who subscribed."""
    sending.push(ctx)
