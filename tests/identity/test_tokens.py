"""API tokens: narrowed, rotated with an overlap, revoked at once, and worth no more than their account."""

from pathlib import Path

import pytest
from identity_kit import Town, make_town

from cityloom.identity import api
from cityloom.identity.api import accounts, organisations, sessions, tokens
from cityloom.identity.contracts import Credentials, Me, NewToken, Role, TokenWish
from cityloom.kernel import packs
from cityloom.kernel.access import Policies, Principal, Resource
from cityloom.kernel.context import Context, Parts
from cityloom.kernel.errors import Conflict, Invalid, NotFound, Refused, Unauthorised
from cityloom.kernel.jobs import platform_context
from scratch import Scratch

DELIVER = TokenWish("gateway", ("exchange.deliver", "exchange.read_receipt"))


@pytest.fixture
def town(parts: Parts, scratch: Scratch, tmp_path: Path) -> Town:
    return make_town(parts, scratch.admin_url, tmp_path)


@pytest.fixture
def officer(town: Town) -> Context:
    return town.person("zhang.wei", Role.data_officer)


def shown(token: NewToken, method: str = "PUT", **more: str) -> Credentials:
    return Credentials(method=method, authorization=f"Bearer {token.secret}", host="city.test", **more)


def opens(town: Town, token: NewToken) -> bool:
    try:
        api.authenticate(town.parts, shown(token))
    except Unauthorised as problem:
        return problem.code != "identity.token_refused"
    return True


def test_a_token_stands_for_its_account_narrowed(town: Town, officer: Context) -> None:
    made = tokens.make(officer, TokenWish("one", ("exchange.deliver",), ("household_resident",)))
    found = api.authenticate(town.parts, shown(made))
    assert found == Principal(
        "zhang.wei",
        "psb",
        frozenset({"data_officer"}),
        frozenset({"exchange.deliver"}),
        frozenset({"household_resident"}),
    )
    assert sessions.who_am_i(town.parts, shown(made)) == Me(
        "zhang.wei", "psb", (Role.data_officer,), rights=("exchange.deliver",)
    )


def test_a_narrowed_token_reaches_its_rights_on_its_datasets_only(town: Town, officer: Context) -> None:
    """Asked of Cedar with a policy that would let the account do everything."""
    policies = Policies("permit (principal, action, resource);")
    made = tokens.make(officer, TokenWish("one", ("exchange.deliver",), ("households",)))
    found = api.authenticate(town.parts, shown(made))
    asked = [
        (right, name, policies.permits(found, right, Resource("Dataset", name), ""))
        for right in ("exchange.deliver", "exchange.withdraw")
        for name in ("households", "births")
    ]
    assert asked == [
        ("exchange.deliver", "households", True),
        ("exchange.deliver", "births", False),
        ("exchange.withdraw", "households", False),
        ("exchange.withdraw", "births", False),
    ]
    wide = api.authenticate(town.parts, shown(tokens.make(officer, TokenWish("two", ("exchange.deliver",)))))
    assert policies.permits(wide, "exchange.deliver", Resource("Dataset", "births"), "")


def test_only_a_digest_of_the_secret_is_kept(town: Town, officer: Context) -> None:
    made = tokens.make(officer, DELIVER)
    assert made.secret.startswith(f"ctl_{made.token.id}_")
    assert made.secret.split("_", 2)[2] not in str(town.everything()) + str(town.entries())


def test_a_token_needs_no_csrf_and_ignores_origin(town: Town, officer: Context) -> None:
    made = tokens.make(officer, DELIVER)
    elsewhere = shown(made, origin="https://elsewhere.test", fetch_site="cross-site")
    assert api.authenticate(town.parts, elsewhere).name == "zhang.wei"


def test_a_token_goes_before_a_session(town: Town, officer: Context) -> None:
    """And a wrong token is not made up for by a good session, nor does the session's cookie pass unchecked."""
    session = town.sign_in("zhang.wei").session
    both = Credentials(method="GET", authorization="Bearer ctl_wrong", session=session, host="city.test")
    with pytest.raises(Unauthorised):
        api.authenticate(town.parts, both)


def test_almost_the_token_is_no_token(town: Town, officer: Context) -> None:
    made, other = tokens.make(officer, DELIVER), tokens.make(officer, DELIVER)
    last = made.secret[-1]
    for wrong in (
        made.secret[:-1] + ("A" if last != "A" else "B"),
        f"ctl_{made.token.id}_{other.secret.split('_', 2)[2]}",
        f"ctl_{'0' * 16}_{made.secret.split('_', 2)[2]}",
        made.secret.upper(),
        made.secret + " " + made.secret,
    ):
        assert not opens(town, NewToken(made.token, wrong)), wrong
    assert opens(town, made)


def test_a_token_ends_at_its_time(town: Town, officer: Context) -> None:
    made = tokens.make(officer, TokenWish("short", ("exchange.deliver",), days=1))
    town.clock.turn(hours=23, minutes=59)
    assert opens(town, made)
    town.clock.turn(minutes=1)
    assert not opens(town, made)


def test_rotation_lets_both_work_until_the_overlap_is_over(town: Town, officer: Context) -> None:
    old = tokens.make(officer, TokenWish("gateway", ("exchange.deliver",), ("households",), days=30))
    town.clock.turn(days=29)
    new = tokens.rotate(officer, old.token.id, 12)
    assert new.token.follows == old.token.id
    assert (new.token.rights, new.token.datasets, new.token.title) == (old.token.rights, old.token.datasets, "gateway")
    assert new.token.expires_at == town.clock.moment + (old.token.expires_at - old.token.made_at)
    assert opens(town, old)
    assert opens(town, new)
    town.clock.turn(hours=12)
    assert not opens(town, old)
    assert opens(town, new)


def test_an_overlap_never_lengthens_a_token(town: Town, officer: Context) -> None:
    old = tokens.make(officer, TokenWish("gateway", ("exchange.deliver",), days=1))
    town.clock.turn(hours=20)
    tokens.rotate(officer, old.token.id, 48)
    town.clock.turn(hours=4)
    assert not opens(town, old)


def test_rotation_without_overlap_ends_the_old_one_at_once(town: Town, officer: Context) -> None:
    old = tokens.make(officer, DELIVER)
    new = tokens.rotate(officer, old.token.id, 0)
    assert not opens(town, old)
    assert opens(town, new)


def test_a_token_is_rotated_once(town: Town, officer: Context) -> None:
    old = tokens.make(officer, DELIVER)
    tokens.rotate(officer, old.token.id)
    before = town.everything()
    with pytest.raises(Conflict) as refused:
        tokens.rotate(officer, old.token.id)
    assert refused.value.code == "identity.token_rotated"
    assert town.everything() == before


def test_what_is_over_is_not_rotated(town: Town, officer: Context) -> None:
    revoked, expired = tokens.make(officer, DELIVER), tokens.make(officer, DELIVER)
    tokens.revoke(officer, revoked.token.id)
    town.clock.turn(days=90)
    for each in (revoked, expired):
        with pytest.raises(Conflict) as refused:
            tokens.rotate(officer, each.token.id)
        assert refused.value.code == "identity.token_over"


def test_a_revoked_token_is_refused_at_once(town: Town, officer: Context) -> None:
    made = tokens.make(officer, DELIVER)
    assert opens(town, made)
    first = tokens.revoke(officer, made.token.id)
    assert not opens(town, made)
    town.clock.turn(hours=1)
    assert tokens.revoke(officer, made.token.id) == first
    assert len(town.entries("identity.token_revoked")) == 1


@pytest.mark.parametrize("administrator", ["sysadmin", "secadmin"])
def test_administrators_revoke_what_others_made(town: Town, officer: Context, administrator: str) -> None:
    made = tokens.make(officer, DELIVER)
    assert [each.id for each in tokens.listing(town.acting(administrator), "zhang.wei")] == [made.token.id]
    tokens.revoke(town.acting(administrator), made.token.id)
    assert not opens(town, made)


def test_others_do_nothing_with_ones_tokens(town: Town, officer: Context) -> None:
    made = tokens.make(officer, DELIVER)
    colleague = town.person("li.na", Role.data_officer)
    before = town.everything()
    for act in (
        lambda: tokens.listing(colleague, "zhang.wei"),
        lambda: tokens.make(colleague, DELIVER, "zhang.wei"),
        lambda: tokens.make(town.acting("sysadmin"), DELIVER, "zhang.wei"),
    ):
        with pytest.raises(Refused):
            act()
    for hidden in (
        lambda: tokens.rotate(colleague, made.token.id),
        lambda: tokens.revoke(colleague, made.token.id),
        lambda: tokens.rotate(town.acting("sysadmin"), made.token.id),
    ):
        with pytest.raises(NotFound, match=r"identity\.token_missing"):
            hidden()
    assert town.everything() == before
    assert opens(town, made)


def test_a_token_makes_no_token_and_changes_no_password(town: Town, officer: Context) -> None:
    made = tokens.make(officer, DELIVER)
    acting = Context(town.parts, api.authenticate(town.parts, shown(made)))
    before = town.everything()
    for act in (
        lambda: tokens.make(acting, DELIVER),
        lambda: tokens.rotate(acting, made.token.id),
        lambda: tokens.revoke(acting, made.token.id),
        lambda: tokens.listing(acting),
        lambda: sessions.change_password(acting, "x", "y"),
        lambda: sessions.sign_out_everywhere(acting),
    ):
        with pytest.raises(Refused):
            act()
    assert town.everything() == before


def test_rights_that_no_policy_knows_are_refused(town: Town, officer: Context) -> None:
    before = town.everything()
    for right in ("exchange.delivr", "identity.create_account", "identity.make_token"):
        with pytest.raises(Invalid) as refused:
            tokens.make(officer, TokenWish("x", (right,)))
        assert refused.value.params == {"right": right}
    assert town.everything() == before


def test_a_token_loses_what_its_account_loses(town: Town, officer: Context) -> None:
    made = tokens.make(officer, DELIVER)
    accounts.give_roles(town.acting("secadmin"), "zhang.wei", [Role.analyst])
    assert api.authenticate(town.parts, shown(made)).roles == {"analyst"}
    accounts.disable(town.acting("sysadmin"), "zhang.wei")
    assert not opens(town, made)


def test_nobody_of_a_retired_organisation_comes_in(town: Town, officer: Context) -> None:
    made = tokens.make(officer, DELIVER)
    session = town.sign_in("zhang.wei")
    nobody = platform_context(town.parts, "test")
    without = Parts(
        **{name: getattr(town.parts, name) for name in Parts.__struct_fields__} | {"packs": packs.Packs(())}
    )
    organisations.install(Context(without, nobody.principal))
    assert not opens(town, made)
    with pytest.raises(Unauthorised):
        api.authenticate(town.parts, Credentials(method="GET", session=session.session))
    with pytest.raises(Unauthorised):
        town.sign_in("zhang.wei")
    organisations.install(nobody)
    assert opens(town, made)


def test_last_use_is_kept_to_the_minute(town: Town, officer: Context) -> None:
    made = tokens.make(officer, DELIVER)
    first = town.clock.moment
    assert opens(town, made)
    town.clock.turn(seconds=59)
    assert opens(town, made)
    assert tokens.listing(officer)[0].used_at == first
    town.clock.turn(seconds=1)
    assert opens(town, made)
    assert tokens.listing(officer)[0].used_at == town.clock.moment


def test_tokens_are_listed_in_pages(town: Town, officer: Context) -> None:
    ids = sorted(tokens.make(officer, DELIVER).token.id for _ in range(3))
    assert [each.id for each in tokens.listing(officer, limit=2)] == ids[:2]
    assert [each.id for each in tokens.listing(officer, after=ids[1])] == ids[2:]


def test_a_token_that_does_not_exist(town: Town, officer: Context) -> None:
    for act in (lambda: tokens.revoke(officer, "0" * 16), lambda: tokens.rotate(officer, "no such id")):
        with pytest.raises(NotFound):
            act()


def test_every_act_is_in_the_audit_log(town: Town, officer: Context) -> None:
    made = tokens.make(officer, TokenWish("t", ("exchange.deliver",), ("b", "a", "b")))
    new = tokens.rotate(officer, made.token.id)
    tokens.revoke(officer, new.token.id)
    written = town.entries("identity.token_made", "identity.token_rotated", "identity.token_revoked")
    assert [(e["action"], e["subject"], e["actor"]) for e in written] == [
        ("identity.token_made", f"token:{made.token.id}", "zhang.wei"),
        ("identity.token_rotated", f"token:{new.token.id}", "zhang.wei"),
        ("identity.token_revoked", f"token:{new.token.id}", "zhang.wei"),
    ]
    assert written[0]["facts"] == {
        "account": "zhang.wei",
        "datasets": ["a", "b"],
        "expires_at": made.token.expires_at.isoformat(),
        "follows": None,
        "rights": ["exchange.deliver"],
    }
