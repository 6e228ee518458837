"""What happens when several do the same thing at once."""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import psycopg
import pytest
from identity_kit import GOOD, Town, make_town

from cityloom.identity.api import accounts, tokens
from cityloom.identity.contracts import Role, TokenWish
from cityloom.kernel.context import Parts
from cityloom.kernel.errors import Problem
from scratch import Scratch


@pytest.fixture
def town(parts: Parts, scratch: Scratch, tmp_path: Path) -> Town:
    return make_town(parts, scratch.admin_url, tmp_path)


def at_once(acts: Sequence[Callable[[], object]]) -> list[str]:
    """Run all at the same moment; "done" or the code of the problem of each, sorted."""
    barrier, outcomes = threading.Barrier(len(acts)), list[str]()

    def run(act: Callable[[], object]) -> None:
        barrier.wait()
        try:
            act()
        except Problem as problem:
            outcomes.append(problem.code)
        else:
            outcomes.append("done")

    threads = [threading.Thread(target=run, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(outcomes)


def test_guesses_at_once_are_not_more_guesses(town: Town) -> None:
    town.person("zhang.wei")
    guesses = [
        lambda number=number: town.sign_in("zhang.wei", f"guess {number}", address=f"198.51.100.{number}")
        for number in range(16)
    ]
    assert at_once(guesses) == ["identity.sign_in_failed"] * 5 + ["identity.too_many_tries"] * 11


def test_right_sign_ins_at_once_all_get_in(town: Town) -> None:
    town.person("zhang.wei")
    device = town.sign_in("zhang.wei").device
    assert at_once([lambda: town.sign_in("zhang.wei", GOOD, device=device)] * 4) == ["done"] * 4
    assert len(town.everything()["session"]) == 2 + 4


def test_an_empty_city_is_bootstrapped_once(town: Town, scratch: Scratch) -> None:
    with psycopg.connect(scratch.admin_url) as superuser:
        superuser.execute("TRUNCATE identity.account, identity.password, identity.session, identity.token")
    made = at_once([lambda: accounts.bootstrap(town.platform)] * 4)
    assert made == ["done"] + ["identity.bootstrap_done"] * 3
    assert len(town.everything()["account"]) == 3


def test_the_last_two_administrators_cannot_go_at_once(town: Town) -> None:
    town.person("second", Role.audit_admin, organisation="data")
    system, security = town.acting("sysadmin"), town.acting("secadmin")
    outcome = at_once([lambda: accounts.disable(system, "second"), lambda: accounts.disable(security, "auditadmin")])
    assert outcome == ["done", "identity.last_administrator"]


def test_a_token_is_rotated_by_one(town: Town) -> None:
    officer = town.person("zhang.wei", Role.data_officer)
    made = tokens.make(officer, TokenWish("t", ("exchange.deliver",)))
    outcome = at_once([lambda: tokens.rotate(officer, made.token.id)] * 4)
    assert outcome == ["done"] + ["identity.token_rotated"] * 3
    assert len(tokens.listing(officer)) == 2


def test_a_name_is_taken_by_one(town: Town) -> None:
    outcome = at_once([lambda: accounts.create(town.platform, "zhang.wei", "psb")] * 3)
    assert outcome == ["done", "identity.account_exists", "identity.account_exists"]
