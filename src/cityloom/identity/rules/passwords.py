"""Passwords: which are refused, how they are hashed (argon2id, RFC 9106), and one-time passwords."""

import re
import secrets
import threading
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import pairwise

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.profiles import RFC_9106_LOW_MEMORY

from cityloom.kernel.errors import Invalid, Unavailable

SHORTEST = 12
LONGEST = 256
LEAST_OWN = 8
"""Characters that must be left when common words, runs and the account's own name are taken as one each."""
ONE_TIME_LASTS = timedelta(days=7)
ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # nothing that is misread

HASHER = PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY)
# a hash of nothing, with the parameters of all others: what is checked for accounts that do not exist
DECOY = f"$argon2id$v=19$m={HASHER.memory_cost},t={HASHER.time_cost},p={HASHER.parallelism}${'A' * 22}${'A' * 43}"
TURNS = threading.BoundedSemaphore(2)  # each hash takes 64 MiB: a crowd at the door must not take all memory
PATIENCE = 5.0  # seconds to wait for a turn: the crowd must not take all threads either

LEET = str.maketrans("013457@$!", "oleastasi")
ROWS = ("1234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm", "abcdefghijklmnopqrstuvwxyz")
COMMON = (
    "password", "passwort", "passw", "pass", "welcome", "administrator", "admin", "root", "system", "letmein",
    "master", "monkey", "dragon", "sunshine", "princess", "football", "baseball", "shadow", "superman", "batman",
    "trustno", "login", "secret", "security", "default", "guest", "test", "user", "hello", "iloveyou", "love",
    "china", "beijing", "huawei", "tencent", "shenzhen", "shanghai", "guangzhou", "guangdong", "yancheng",
    "zhongguo", "woaini", "aini", "mima", "wode", "nihao", "chengshi", "cityloom", "city", "qazwsxedc", "qazwsx",
    "qweasdzxc", "qweasd", "zaqxsw", "zaqwsx", "qwer", "asdf", "changeme", "temp", "summer", "winter", "spring",
    "autumn", "january", "monday", "company", "office", "server", "database", "1q2w3e4r5t6y", "1q2w3e4r5t",
    "1q2w3e4r", "1qaz2wsx3edc", "1qaz2wsx", "1qaz", "2wsx", "3edc", "q1w2e3r4", "a1b2c3d4", "a1b2c3", "1314520",
    "5201314", "520", "1314",
)  # fmt: skip
YEAR = re.compile(r"(?:19|20)\d\d")


def check(password: str, account: str) -> str:
    """The password as it is hashed (NFKC, NIST SP 800-63B 5.1.1.2).

    Raises Invalid `identity.password_short`, `…_long`, `…_common`, `…_names_account`.
    """
    text = normal(password)
    if len(text) < SHORTEST:
        raise Invalid("identity.password_short", least=SHORTEST)
    if len(text) > LONGEST:
        raise Invalid("identity.password_long", most=LONGEST)
    folded = text.casefold()
    if account in folded:
        raise Invalid("identity.password_names_account")
    if own_length(folded) < LEAST_OWN:
        raise Invalid("identity.password_common")
    return text


def normal(password: str) -> str:
    """One form for characters that look the same."""
    return unicodedata.normalize("NFKC", password)


def own_length(folded: str) -> int:
    """How many characters are the person's own: common words, years and runs count as one each, repeats little."""
    marked = _without_runs(YEAR.sub("\0", _replace(folded, COMMON)))
    return min(len(_replace(marked.translate(LEET), COMMON)), 2 * len(set(folded)))


def _replace(text: str, words: tuple[str, ...]) -> str:
    for word in sorted(words, key=len, reverse=True):
        text = text.replace(word, "\0")
    return text


def _without_runs(text: str) -> str:
    """Three or more characters that repeat, or follow one another on a keyboard or in the alphabet, become one."""
    kept, run = list(text[:1]), 1
    for before, after in pairwise(text):
        run = run + 1 if _neighbours(before, after) else 1
        kept.append(after)
        if run == 3:
            del kept[-2:]
        elif run > 3:
            kept.pop()
    return "".join(kept)


def _neighbours(before: str, after: str) -> bool:
    return before == after or any(before + after in row or after + before in row for row in ROWS)


def hashed(password: str) -> str:
    """The argon2id hash of a password that was checked. Raises Unavailable `identity.busy`."""
    with _turn():
        return HASHER.hash(normal(password))


def verify(kept: str | None, password: str) -> bool:
    """Whether the password is the one that was hashed. Takes as long when there is none (`kept` is None).

    Raises Unavailable `identity.busy`.
    """
    with _turn():
        try:
            return HASHER.verify(kept or DECOY, normal(password)[:LONGEST])
        except (VerificationError, InvalidHashError):
            return False


@contextmanager
def _turn() -> Iterator[None]:
    if not TURNS.acquire(timeout=PATIENCE):
        raise Unavailable("identity.busy")
    try:
        yield
    finally:
        TURNS.release()


def outdated(kept: str) -> bool:
    """Whether it was hashed with other parameters than today's."""
    return HASHER.check_needs_rehash(kept)


def one_time() -> str:
    """A password of 99 random bits that can be read out."""
    letters = "".join(secrets.choice(ALPHABET) for _ in range(20))
    return "-".join(letters[start : start + 5] for start in range(0, 20, 5))
