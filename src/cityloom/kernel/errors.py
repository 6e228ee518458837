"""Problems a caller can act on, each with a code whose words (en, zh) live in a words.yaml (RFC 9457)."""

from typing import ClassVar


class Problem(Exception):
    """A refusal with a stable code such as `exchange.delivery_id_reused`, its parameters and an HTTP status.

    The text and the remedy are looked up by code in the language of the caller (`kernel.words`).
    """

    status: ClassVar[int] = 500

    def __init__(self, code: str, **params: str | int) -> None:
        super().__init__(code, params)
        self.code = code
        self.params: dict[str, str | int] = params

    def __str__(self) -> str:
        facts = ", ".join(f"{name}={value}" for name, value in self.params.items())
        return f"{self.code} ({facts})" if facts else self.code


class BadRequest(Problem):
    """The request cannot be read."""

    status = 400


class Unauthorised(Problem):
    """The caller is not known."""

    status = 401


class Refused(Problem):
    """The caller is known and may not."""

    status = 403


class NotFound(Problem):
    """There is no such thing, or the caller may not know of it."""

    status = 404


class Conflict(Problem):
    """It contradicts what is already there."""

    status = 409


class Gone(Problem):
    """It was here and was removed by its retention."""

    status = 410


class TooLarge(Problem):
    """It is over a limit that the message names."""

    status = 413


class Unsupported(Problem):
    """Its format is not one that is read."""

    status = 415


class Invalid(Problem):
    """It can be read and is wrong."""

    status = 422


class Throttled(Problem):
    """Too many tries; `seconds` says when the next is heard."""

    status = 429


class Unavailable(Problem):
    """A part is not reachable now; the same call may succeed later."""

    status = 503


class NoRoom(Unavailable):
    """A disk is full, or nearly (RFC 4918 11.5); the same call succeeds when there is room."""

    status = 507
