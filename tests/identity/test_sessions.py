"""Signing in: who gets in, what failures cost, how sessions end, and what a forged request cannot do."""

from pathlib import Path

import pytest
from argon2 import PasswordHasher
from identity_kit import ADDRESS, GOOD, OTHER, Town, make_town

from cityloom.identity import api, store
from cityloom.identity.api import accounts, sessions
from cityloom.identity.contracts import Credentials, Me, Role, SignedIn
from cityloom.identity.rules import browser, passwords, tokens
from cityloom.kernel.access import Principal
from cityloom.kernel.context import Parts
from cityloom.kernel.db import PLATFORM
from cityloom.kernel.errors import Invalid, Problem, Refused, Throttled, Unauthorised
from scratch import Scratch


@pytest.fixture
def town(parts: Parts, scratch: Scratch, tmp_path: Path) -> Town:
    return make_town(parts, scratch.admin_url, tmp_path)


@pytest.fixture
def wei(town: Town) -> SignedIn:
    """Zhang Wei, data officer of the police, signed in."""
    town.person("zhang.wei", Role.data_officer)
    return town.sign_in("zhang.wei")


def reading(session: SignedIn) -> Credentials:
    return Credentials(method="GET", session=session.session, host="city.test")


def changing(session: SignedIn, **more: str) -> Credentials:
    return Credentials(method="POST", session=session.session, host="city.test", **more)


def refused(town: Town, name: str, password: str, **more: str) -> Problem:
    with pytest.raises(Problem) as problem:
        town.sign_in(name, password, **more)
    return problem.value


# ---- getting in


def test_a_session_stands_for_its_account(town: Town, wei: SignedIn) -> None:
    found = api.authenticate(town.parts, reading(wei))
    assert found == Principal("zhang.wei", "psb", frozenset({"data_officer"}))
    assert wei.me.roles == (Role.data_officer,)
    assert not wei.me.must_change_password


def test_only_a_digest_of_the_session_is_kept(town: Town, wei: SignedIn) -> None:
    kept = str(town.everything())
    assert wei.session not in kept
    assert tokens.digest(wei.session).hex() in kept


def test_names_are_read_kindly(town: Town, wei: SignedIn) -> None:
    assert town.sign_in(" Zhang.Wei ").me.account == "zhang.wei"


def test_whatever_is_wrong_the_answer_is_the_same(town: Town, wei: SignedIn) -> None:
    accounts.create(town.platform, "disabled", "psb")
    accounts.disable(town.platform, "disabled")
    answers = [
        refused(town, "zhang.wei", "wrong"),
        refused(town, "nobody.here", GOOD),
        refused(town, "disabled", GOOD),
        refused(town, "' OR 1=1 --", GOOD),
    ]
    assert {(type(each), each.code, str(each.params)) for each in answers} == {
        (Unauthorised, "identity.sign_in_failed", "{}")
    }


def test_a_hash_is_checked_for_unknown_accounts_too(town: Town, wei: SignedIn, monkeypatch: pytest.MonkeyPatch) -> None:
    """Equal time is equal work: one verification, with a hash of the usual parameters."""
    checked: list[str | None] = []
    real = passwords.verify

    def verify(kept: str | None, password: str) -> bool:
        checked.append(kept)
        return real(kept, password)

    monkeypatch.setattr(passwords, "verify", verify)
    for name in ("nobody.here", "zhang.wei"):
        refused(town, name, "wrong")
    assert len(checked) == 2
    assert checked[0] is None
    assert str(checked[1]).startswith("$argon2id$")


def test_failures_are_audited_without_what_was_typed(town: Town, wei: SignedIn) -> None:
    refused(town, "zhang.wei", "wrong password here")
    refused(town, "my password by mistake", "x")
    failures = town.entries("identity.sign_in_failed")
    assert [(e["actor"], e["organisation"], e["subject"]) for e in failures] == [
        ("anonymous", "psb", "account:zhang.wei"),
        ("anonymous", "*", "account:unknown"),
    ]
    assert failures[0]["facts"] == {"address": ADDRESS}
    assert "mistake" not in str(town.entries())
    assert "wrong" not in str(town.entries())
    last = town.entries("identity.signed_in")[-1]
    assert (last["actor"], last["organisation"], last["subject"]) == ("zhang.wei", "psb", "account:zhang.wei")


def test_a_password_is_hashed_anew_when_parameters_change(
    town: Town, wei: SignedIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    stronger = PasswordHasher(time_cost=2, memory_cost=128, parallelism=1)
    monkeypatch.setattr(passwords, "HASHER", stronger)
    town.sign_in("zhang.wei")
    assert "$m=128,t=2,p=1$" in _hash_of(town, "zhang.wei")
    kept = _hash_of(town, "zhang.wei")
    town.sign_in("zhang.wei")
    assert _hash_of(town, "zhang.wei") == kept


def _hash_of(town: Town, name: str) -> str:
    with town.parts.db.begin(PLATFORM) as tx:
        found = store.password(tx, name)
    assert found is not None
    return found.hash


# ---- one-time passwords


def test_a_one_time_password_opens_nothing_but_its_change(town: Town) -> None:
    begun = town.sign_in("sysadmin", town.one_time["sysadmin"])
    assert begun.me.must_change_password
    with pytest.raises(Refused) as problem:
        api.authenticate(town.parts, reading(begun))
    assert problem.value.code == "identity.password_must_change"
    assert api.authenticate(town.parts, reading(begun), must_have_changed=False).name == "sysadmin"
    changed = sessions.change_password(town.acting("sysadmin"), town.one_time["sysadmin"], GOOD)
    assert not changed.me.must_change_password
    assert api.authenticate(town.parts, reading(changed)).name == "sysadmin"
    assert refused(town, "sysadmin", town.one_time["sysadmin"]).code == "identity.sign_in_failed"


def test_a_one_time_password_is_over_after_a_week(town: Town) -> None:
    town.clock.turn(days=7)
    assert refused(town, "sysadmin", town.one_time["sysadmin"]).code == "identity.one_time_password_over"
    assert refused(town, "sysadmin", "a wrong password").code == "identity.sign_in_failed"
    assert town.everything()["session"] == []


# ---- changing the password


def test_changing_the_password_ends_all_sessions_and_begins_one(town: Town, wei: SignedIn) -> None:
    second = town.sign_in("zhang.wei")
    changed = sessions.change_password(town.acting("zhang.wei"), GOOD, OTHER)
    for old in (wei, second):
        with pytest.raises(Unauthorised):
            api.authenticate(town.parts, reading(old))
    assert api.authenticate(town.parts, reading(changed)).name == "zhang.wei"
    assert refused(town, "zhang.wei", GOOD).code == "identity.sign_in_failed"
    assert town.sign_in("zhang.wei", OTHER).me.account == "zhang.wei"
    assert len(town.entries("identity.password_changed")) == 2  # the one-time password was changed before


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("not the old one", OTHER, "identity.old_password_wrong"),
        (GOOD, GOOD, "identity.password_same"),
        (GOOD, "short", "identity.password_short"),
        (GOOD, "password1234", "identity.password_common"),
        (GOOD, "this is zhang.wei", "identity.password_names_account"),
    ],
)
def test_a_wrong_change_changes_nothing(town: Town, wei: SignedIn, old: str, new: str, code: str) -> None:
    before = town.everything()
    with pytest.raises(Invalid) as problem:
        sessions.change_password(town.acting("zhang.wei"), old, new)
    assert problem.value.code == code
    assert town.everything() == before


def test_guessing_the_old_password_in_a_stolen_session_is_slow(town: Town, wei: SignedIn) -> None:
    acting = town.acting("zhang.wei")
    for _ in range(5):
        with pytest.raises(Invalid):
            sessions.change_password(acting, "a guess of it", OTHER)
    with pytest.raises(Throttled) as problem:
        sessions.change_password(acting, GOOD, OTHER)
    assert problem.value.params == {"seconds": 1}


# ---- waiting


def test_strangers_wait_longer_each_time(town: Town, wei: SignedIn) -> None:
    waits = []
    for _ in range(4):
        refused(town, "zhang.wei", "wrong")
    for _ in range(5):
        assert refused(town, "zhang.wei", "wrong").code == "identity.sign_in_failed"
        problem = refused(town, "zhang.wei", GOOD)  # even the right one is not heard now
        assert (type(problem), problem.code) == (Throttled, "identity.too_many_tries")
        waits.append(problem.params["seconds"])
        town.clock.turn(seconds=int(problem.params["seconds"]))
    assert waits == [1, 2, 4, 8, 16]
    assert town.sign_in("zhang.wei").me.account == "zhang.wei"


def test_trying_too_early_does_not_lengthen_the_wait(town: Town, wei: SignedIn) -> None:
    for _ in range(8):
        refused(town, "zhang.wei", "wrong")
        if refused(town, "zhang.wei", "x").code == "identity.too_many_tries":
            break
    for _ in range(20):
        assert refused(town, "zhang.wei", "x").params == {"seconds": 1}


def test_unknown_accounts_are_throttled_like_known_ones(town: Town, wei: SignedIn) -> None:
    answers = [[refused(town, name, "wrong").code for _ in range(8)] for name in ("zhang.wei", "nobody.here")]
    assert answers[0] == answers[1] == ["identity.sign_in_failed"] * 5 + ["identity.too_many_tries"] * 3


def test_strangers_cannot_keep_out_a_browser_that_was_in_before(town: Town, wei: SignedIn) -> None:
    for number in range(100):
        refused(town, "zhang.wei", "wrong", address=f"198.51.100.{number}")
    assert refused(town, "zhang.wei", GOOD).code == "identity.too_many_tries"
    assert town.sign_in("zhang.wei", device=wei.device).me.account == "zhang.wei"


def test_a_known_browser_is_throttled_too(town: Town, wei: SignedIn) -> None:
    codes = [refused(town, "zhang.wei", "wrong", device=wei.device).code for _ in range(6)]
    assert codes == ["identity.sign_in_failed"] * 5 + ["identity.too_many_tries"]
    assert town.sign_in("zhang.wei").me.account == "zhang.wei"  # but not the account elsewhere


def test_one_address_tries_many_accounts_slowly(town: Town, wei: SignedIn) -> None:
    codes = [refused(town, f"guess{number}", "wrong").code for number in range(52)]
    assert codes == ["identity.sign_in_failed"] * 50 + ["identity.too_many_tries"] * 2
    assert town.sign_in("zhang.wei", address="198.51.100.1").me.account == "zhang.wei"
    assert town.sign_in("zhang.wei", device=wei.device).me.account == "zhang.wei"


def test_right_passwords_cost_nothing(town: Town, wei: SignedIn) -> None:
    for _ in range(60):
        town.sign_in("zhang.wei")


def test_the_tries_name_nobody(town: Town, wei: SignedIn) -> None:
    refused(town, "zhang.wei", "wrong")
    with town.parts.db.begin(PLATFORM) as tx:
        kept = tx.values(str, "SELECT t::text FROM identity.throttle t")
    assert kept
    assert "zhang" not in str(kept)
    assert ADDRESS not in str(kept)


# ---- sessions end


def test_a_session_ends_when_idle(town: Town, wei: SignedIn) -> None:
    for _ in range(5):
        town.clock.turn(minutes=29)
        api.authenticate(town.parts, reading(wei))
    town.clock.turn(minutes=30)
    with pytest.raises(Unauthorised) as problem:
        api.authenticate(town.parts, reading(wei))
    assert problem.value.code == "identity.session_over"


def test_a_session_ends_after_twelve_hours_however_busy(town: Town, wei: SignedIn) -> None:
    for _ in range(47):
        town.clock.turn(minutes=15)
        api.authenticate(town.parts, reading(wei))
    town.clock.turn(minutes=15)
    with pytest.raises(Unauthorised):
        api.authenticate(town.parts, reading(wei))


def test_signing_in_again_replaces_the_browsers_session(town: Town, wei: SignedIn) -> None:
    other = town.sign_in("zhang.wei")
    again = town.sign_in("zhang.wei", session=wei.session)
    assert len({wei.session, other.session, again.session}) == 3
    with pytest.raises(Unauthorised):
        api.authenticate(town.parts, reading(wei))
    for living in (other, again):
        api.authenticate(town.parts, reading(living))


def test_signing_out_ends_this_session_only(town: Town, wei: SignedIn) -> None:
    other = town.sign_in("zhang.wei")
    sessions.sign_out(town.acting("zhang.wei"), wei.session)
    with pytest.raises(Unauthorised):
        api.authenticate(town.parts, reading(wei))
    api.authenticate(town.parts, reading(other))
    sessions.sign_out(town.acting("zhang.wei"), wei.session)
    assert len(town.entries("identity.signed_out")) == 1


def test_signing_out_everywhere_ends_all(town: Town, wei: SignedIn) -> None:
    other = town.sign_in("zhang.wei")
    sessions.sign_out_everywhere(town.acting("zhang.wei"))
    for ended in (wei, other):
        with pytest.raises(Unauthorised):
            api.authenticate(town.parts, reading(ended))


def test_a_disabled_account_is_out_at_once(town: Town, wei: SignedIn) -> None:
    accounts.disable(town.acting("secadmin"), "zhang.wei")
    with pytest.raises(Unauthorised):
        api.authenticate(town.parts, reading(wei))
    accounts.enable(town.acting("sysadmin"), "zhang.wei")
    with pytest.raises(Unauthorised):
        api.authenticate(town.parts, reading(wei))
    assert town.sign_in("zhang.wei").me.account == "zhang.wei"


def test_changed_roles_hold_at_once(town: Town, wei: SignedIn) -> None:
    accounts.give_roles(town.acting("secadmin"), "zhang.wei", [Role.analyst])
    assert api.authenticate(town.parts, reading(wei)).roles == {"analyst"}


def test_what_is_over_is_swept(town: Town, wei: SignedIn) -> None:
    refused(town, "zhang.wei", "wrong")
    town.clock.turn(minutes=10)
    living = town.sign_in("zhang.wei")
    town.clock.turn(minutes=25)
    sessions.sweep(town.platform)
    assert len(town.everything()["session"]) == 1
    api.authenticate(town.parts, reading(living))
    town.clock.turn(hours=1)
    sessions.sweep(town.platform)
    with town.parts.db.begin(PLATFORM) as tx:
        assert tx.scalar(int, "SELECT count(*)::int FROM identity.throttle") == 0
        assert tx.scalar(int, "SELECT count(*)::int FROM identity.session") == 0


# ---- forged requests


def test_a_change_needs_the_sessions_token(town: Town, wei: SignedIn) -> None:
    other = town.sign_in("zhang.wei")
    assert api.authenticate(town.parts, changing(wei, csrf=wei.me.csrf)).name == "zhang.wei"
    for wrong in ("", other.me.csrf, wei.session):
        with pytest.raises(Refused) as problem:
            api.authenticate(town.parts, changing(wei, csrf=wrong))
        assert problem.value.code == "identity.csrf_refused"


def test_a_change_from_another_site_is_refused(town: Town, wei: SignedIn) -> None:
    for header in ({"origin": "https://evil.test"}, {"fetch_site": "cross-site"}):
        with pytest.raises(Refused) as problem:
            api.authenticate(town.parts, changing(wei, csrf=wei.me.csrf, **header))
        assert problem.value.code == "identity.origin_refused"


@pytest.mark.parametrize("session", ["", "x", "A" * 43, "é", "\x00"])
def test_no_other_secret_is_a_session(town: Town, wei: SignedIn, session: str) -> None:
    with pytest.raises(Unauthorised):
        api.authenticate(town.parts, Credentials(method="GET", session=session, host="city.test"))


def test_who_am_i(town: Town, wei: SignedIn) -> None:
    assert sessions.who_am_i(town.parts, reading(wei)) == Me(
        account="zhang.wei",
        organisation="psb",
        roles=(Role.data_officer,),
        csrf=browser.csrf_token(wei.session),
        session_ends_at=town.clock.moment + tokens.LONGEST_SESSION,
    )
