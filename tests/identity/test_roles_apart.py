"""三员分立: what rules, policies and the database each refuse, and that a refusal changes nothing."""

from collections.abc import Callable
from itertools import chain, combinations
from pathlib import Path

import psycopg
import pytest
from identity_kit import GOOD, Town, actions, make_town
from psycopg import errors

from cityloom.identity.api import accounts, log, tokens
from cityloom.identity.contracts import Role, TokenWish
from cityloom.identity.rules import roles as rules
from cityloom.kernel.context import Context, Parts
from cityloom.kernel.db import PLATFORM, Scope
from cityloom.kernel.errors import Conflict, Invalid, NotFound, Problem, Refused
from scratch import Scratch

ADMINISTRATORS = (Role.system_admin, Role.security_admin, Role.audit_admin)
EVERY_SET = [list(chosen) for chosen in chain.from_iterable(combinations(Role, size) for size in range(len(Role) + 1))]


@pytest.fixture
def town(parts: Parts, scratch: Scratch, tmp_path: Path) -> Town:
    return make_town(parts, scratch.admin_url, tmp_path)


# ---- the database


def test_the_database_takes_exactly_the_sets_that_the_rules_take(town: Town) -> None:
    """All 64 sets, written by a superuser past rules and policies."""
    accounts.create(town.platform, "zhang.wei", "psb")
    with psycopg.connect(town.admin_url, autocommit=True) as superuser:
        for chosen in EVERY_SET:
            try:
                rules.kept_apart(chosen)
                allowed = True
            except Invalid:
                allowed = False
            write = "UPDATE identity.account SET roles = %s WHERE name = 'zhang.wei'"
            if allowed:
                assert superuser.execute(write, [chosen]).rowcount == 1
            else:
                with pytest.raises(errors.CheckViolation) as refused:
                    superuser.execute(write, [chosen])
                assert refused.value.diag.constraint_name == "roles_kept_apart"
        for odd in (["system_admin", "system_admin"], ["mayor"], [None], ["system_admin", None]):
            with pytest.raises(errors.CheckViolation):
                superuser.execute(write, [odd])


def test_no_organisation_writes_to_identity(town: Town) -> None:
    officer = town.person("zhang.wei", Role.data_officer)
    tokens.make(officer, TokenWish("mine", ("exchange.deliver",)))
    before = town.everything()
    for statement in (
        "UPDATE identity.account SET roles = '{data_officer}'",
        "UPDATE identity.account SET active = false",
        "UPDATE identity.account SET organisation = 'psb'",
        "UPDATE identity.password SET hash = '$argon2id$x'",
        "DELETE FROM identity.session",
        "UPDATE identity.token SET revoked_at = NULL",
        "UPDATE identity.organisation SET active = false",
        "DELETE FROM identity.throttle",
    ):
        with town.parts.db.begin(Scope("psb", "zhang.wei")) as tx:
            assert tx.execute(statement) == 0, statement
    assert town.everything() == before


def test_an_organisation_makes_no_account(town: Town) -> None:
    insert = """INSERT INTO identity.account (name, organisation, made_at, made_by)
                VALUES ('mine', 'psb', now(), 'me')"""
    with pytest.raises(errors.InsufficientPrivilege), town.parts.db.begin(Scope("psb", "zhang.wei")) as tx:
        tx.execute(insert)


def test_an_organisation_sees_its_accounts_and_no_secret(town: Town) -> None:
    officer = town.person("zhang.wei", Role.data_officer)
    town.person("li.na", Role.steward, organisation="psb_east")
    tokens.make(officer, TokenWish("mine", ("exchange.deliver",)))
    with town.parts.db.begin(Scope("psb", "zhang.wei")) as tx:
        assert tx.values(str, "SELECT name FROM identity.account") == ["zhang.wei"]
        assert tx.values(str, "SELECT account FROM identity.token") == ["zhang.wei"]
        for table in ("password", "session", "throttle"):
            assert tx.scalar(int, f"SELECT count(*)::int FROM identity.{table}") == 0
    with town.parts.db.begin(Scope("psb_east", "li.na")) as tx:
        assert tx.values(str, "SELECT name FROM identity.account") == ["li.na"]
        assert tx.values(str, "SELECT account FROM identity.token") == []
    with town.parts.db.begin(PLATFORM) as tx:
        assert tx.scalar(int, "SELECT count(*)::int FROM identity.account") == 5


# ---- the policies

ACTS: dict[str, Callable[[Context], object]] = {
    "create": lambda ctx: accounts.create(ctx, "new.one", "psb"),
    "enable": lambda ctx: accounts.enable(ctx, "target"),
    "disable": lambda ctx: accounts.disable(ctx, "target"),
    "reset": lambda ctx: accounts.reset_password(ctx, "target"),
    "reset an administrator": lambda ctx: accounts.reset_password(ctx, "auditadmin"),
    "give": lambda ctx: accounts.give_roles(ctx, "target", [Role.analyst]),
    "end sessions": lambda ctx: accounts.end_sessions(ctx, "target"),
    "list": lambda ctx: accounts.listing(ctx),
    "find": lambda ctx: accounts.find(ctx, "target"),
    "audit": lambda ctx: log.read(ctx),
    "token of another": lambda ctx: tokens.make(ctx, TokenWish("x", ("exchange.deliver",)), "target"),
    "tokens of another": lambda ctx: tokens.listing(ctx, "target"),
    "bootstrap": lambda ctx: accounts.bootstrap(ctx),
}
MAY: dict[Role | None, set[str]] = {
    Role.system_admin: {"create", "enable", "disable", "reset", "end sessions", "list", "find", "tokens of another"},
    Role.security_admin: {"disable", "give", "end sessions", "list", "find", "tokens of another"},
    Role.audit_admin: {"list", "find", "audit"},
    Role.data_officer: set(),
    Role.steward: set(),
    Role.analyst: set(),
    None: set(),
}


@pytest.mark.parametrize("role", MAY)
def test_each_role_does_its_part_and_no_more(town: Town, role: Role | None) -> None:
    town.person("target", Role.data_officer)
    actor = town.person("actor", *([role] if role else []), organisation="data")
    may = MAY[role]
    for act, run in ACTS.items():
        before = town.everything()
        if act in may:
            run(actor)
            continue
        with pytest.raises(Refused):
            run(actor)
        assert town.everything() == before, act
    refusals = town.entries("access.refused")
    assert {entry["actor"] for entry in refusals} <= {"actor"}
    assert len(refusals) == len(ACTS) - len(may) - 1  # bootstrap is not asked of the policies


@pytest.mark.parametrize("role", ADMINISTRATORS)
def test_nobody_helps_themselves(town: Town, role: Role) -> None:
    actor = town.person("actor", role, organisation="data")
    before = town.everything()
    for act in (
        lambda: accounts.give_roles(actor, "actor", [Role.data_officer]),
        lambda: accounts.give_roles(actor, "actor", []),
        lambda: accounts.reset_password(actor, "actor"),
        lambda: accounts.disable(actor, "actor"),
    ):
        with pytest.raises(Refused):
            act()
    assert town.everything() == before


@pytest.mark.parametrize("held", ADMINISTRATORS)
def test_no_administrator_gets_a_second_role(town: Town, held: Role) -> None:
    town.person("target", held)
    security = town.acting("secadmin")
    before = town.everything()
    for added in set(Role) - {held}:
        with pytest.raises(Invalid) as refused:
            accounts.give_roles(security, "target", [held, added])
        assert refused.value.code == "identity.roles_not_apart"
    assert town.everything() == before


def test_data_roles_may_be_held_together(town: Town) -> None:
    town.person("target")
    given = accounts.give_roles(town.acting("secadmin"), "target", [Role.steward, Role.data_officer])
    assert given.roles == (Role.data_officer, Role.steward)


def test_a_reset_password_takes_the_roles_away(town: Town) -> None:
    """Else the system administrator could act as any account that she resets."""
    town.person("target", Role.data_officer)
    session = town.sign_in("target").session
    issued = accounts.reset_password(town.acting("sysadmin"), "target")
    assert accounts.find(town.platform, "target").roles == ()
    assert issued.roles == ()
    with pytest.raises(Problem):
        town.sign_in("target", GOOD)
    assert town.sign_in("target", issued.password).me.must_change_password
    last = town.entries("identity.password_reset")[-1]
    assert last["facts"] == {"before": ["data_officer"], "roles": []}
    assert session not in str(town.everything()["session"])


def test_the_machine_lets_an_administrator_in_again(town: Town) -> None:
    issued = accounts.reset_password(town.platform, "sysadmin")
    assert issued.roles == (Role.system_admin,)
    assert accounts.find(town.platform, "sysadmin").roles == (Role.system_admin,)


def test_the_last_administrator_is_neither_disabled_nor_degraded(town: Town) -> None:
    system, security = town.acting("sysadmin"), town.acting("secadmin")
    before = town.everything()
    acts: list[Callable[[], object]] = [
        lambda: accounts.disable(security, "sysadmin"),
        lambda: accounts.disable(system, "secadmin"),
        lambda: accounts.disable(system, "auditadmin"),
        lambda: accounts.give_roles(security, "auditadmin", [Role.analyst]),
        lambda: accounts.give_roles(security, "sysadmin", []),
    ]
    for act in acts:
        with pytest.raises(Conflict) as refused:
            act()
        assert refused.value.code == "identity.last_administrator"
    assert town.everything() == before
    town.person("second", Role.audit_admin, organisation="data")
    assert accounts.disable(system, "auditadmin").active is False
    with pytest.raises(Conflict):
        accounts.disable(system, "second")


def test_every_act_is_in_the_audit_log(town: Town) -> None:
    system, security = town.acting("sysadmin"), town.acting("secadmin")
    accounts.create(system, "zhang.wei", "psb", "Zhang Wei")
    accounts.give_roles(security, "zhang.wei", [Role.analyst])
    accounts.disable(security, "zhang.wei")
    accounts.enable(system, "zhang.wei")
    accounts.end_sessions(system, "zhang.wei")
    accounts.reset_password(system, "zhang.wei")
    log.read(town.acting("auditadmin"))
    written = [(e["actor"], e["action"], e["subject"]) for e in town.entries() if e["actor"] not in ("platform",)]
    assert written == [
        ("sysadmin", "identity.account_created", "account:zhang.wei"),
        ("secadmin", "identity.roles_given", "account:zhang.wei"),
        ("secadmin", "identity.account_disabled", "account:zhang.wei"),
        ("sysadmin", "identity.account_enabled", "account:zhang.wei"),
        ("sysadmin", "identity.sessions_ended", "account:zhang.wei"),
        ("sysadmin", "identity.password_reset", "account:zhang.wei"),
        ("auditadmin", "audit.read", "audit:city"),
    ]
    assert "Zhang Wei" not in str(town.entries())


def test_the_audit_log_is_read_newest_first(town: Town) -> None:
    reader: Context = town.acting("auditadmin")
    found = log.read(reader, limit=2)
    assert [entry.action for entry in found] == ["identity.bootstrapped", "identity.organisations_installed"]
    assert actions(town.entries()) == ["identity.organisations_installed", "identity.bootstrapped", "audit.read"]
    older = log.read(reader, before=found[0].position)
    assert [entry.position for entry in older] == [0]
    assert log.read(reader, actor="auditadmin")[0].subject == "audit:city"


# ---- accounts


def test_accounts_are_made_for_organisations_that_exist(town: Town) -> None:
    before = town.everything()
    for name, organisation, kind in (
        ("zhang.wei", "nobody", NotFound),
        ("zhang.wei", "*", NotFound),
        ("sysadmin", "psb", Conflict),
        ("Zhang", "psb", Invalid),
        ("platform", "psb", Invalid),
    ):
        with pytest.raises(kind):
            accounts.create(town.acting("sysadmin"), name, organisation)
    assert town.everything() == before


def test_what_does_not_exist_is_told_only_to_administrators(town: Town) -> None:
    officer = town.person("officer", Role.data_officer)
    with pytest.raises(Refused):
        accounts.find(officer, "nobody.here")
    with pytest.raises(NotFound):
        accounts.find(town.acting("sysadmin"), "nobody.here")


def test_accounts_are_listed_in_pages(town: Town) -> None:
    for name in ("abc", "bcd", "cde"):
        accounts.create(town.platform, name, "psb")
    reader = town.acting("auditadmin")
    assert [a.name for a in accounts.listing(reader, "psb", "", 2)] == ["abc", "bcd"]
    assert [a.name for a in accounts.listing(reader, "psb", "bcd", 2)] == ["cde"]
    assert [a.name for a in accounts.listing(reader)] == ["abc", "auditadmin", "bcd", "cde", "secadmin", "sysadmin"]
