"""Timed work of sensing; safe to run twice."""

from cityloom.kernel.context import Context
from cityloom.sensing.api import judging, pushing, silence, upkeep


def make_days(ctx: Context) -> None:
    """Make the partitions of the days to come, so that no batch waits for one."""
    upkeep.make_days(ctx)


def judge(ctx: Context) -> None:
    """Judge what arrived by the rules of the packs."""
    judging.follow(ctx)


def silent(ctx: Context) -> None:
    """Look for Datastreams of which nothing comes."""
    silence.look(ctx)


def push_events(ctx: Context) -> None:
    """Send what was told of events to those who subscribed."""
    pushing.push(ctx)
