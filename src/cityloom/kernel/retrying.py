"""When a page that was not taken is sent again, and when it is given up."""

from datetime import timedelta

FIRST_PAUSE = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(hours=1)
MOST_TRIES = 15
"""Over some six hours."""


def pause(failures: int) -> timedelta:
    """How long to wait after so many failures in a row: each time twice as long."""
    times: int = 2 ** min(failures - 1, 20)
    return min(FIRST_PAUSE * times, LONGEST_PAUSE)
