"""When a page that was not taken is sent again, and when it is given up."""

from datetime import timedelta
from urllib.parse import urlsplit

from cityloom.kernel.errors import Invalid

FIRST_PAUSE = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(hours=1)
MOST_TRIES = 15
"""Over some six hours."""


def pause(failures: int) -> timedelta:
    """How long to wait after so many failures in a row: each time twice as long."""
    times: int = 2 ** min(failures - 1, 20)
    return min(FIRST_PAUSE * times, LONGEST_PAUSE)


def check_url(text: str, plain_allowed: bool) -> None:
    """Raises Invalid `sharing.webhook_url` for what is no https address (or http, where the operator allows the host)."""
    try:
        url = urlsplit(text)
        fits = bool(url.hostname) and url.username is None and url.port != 0
    except ValueError:
        raise Invalid("sharing.webhook_url", url=text[:200]) from None
    if not fits or url.scheme not in (("https", "http") if plain_allowed else ("https",)):
        raise Invalid("sharing.webhook_url", url=text[:200])
