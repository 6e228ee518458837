"""How a city begins: organisations from its packs, and the first administrators at the machine."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from identity_kit import ORGANISATIONS, TurnedClock, a_pack
from typer.testing import CliRunner

from cityloom.identity import api, commands, spec
from cityloom.identity.api import accounts, organisations, sessions
from cityloom.identity.contracts import Attempt, Credentials, OneTimePassword, Organisation, OrganisationKind, Role
from cityloom.kernel.access import Principal
from cityloom.kernel.context import Context, Parts
from cityloom.kernel.errors import Conflict, Invalid, NotFound, Refused
from cityloom.kernel.jobs import platform_context
from cityloom.kernel.packs import Packs
from cityloom.kernel.settings import Settings
from cityloom.kernel.words import Text
from scratch import Scratch


@pytest.fixture
def empty(parts: Parts) -> Parts:
    """A city without organisations and accounts."""
    return msgspec.structs.replace(parts, clock=TurnedClock())


def with_pack(parts: Parts, folder: Path, text: str = ORGANISATIONS) -> Context:
    return platform_context(msgspec.structs.replace(parts, packs=a_pack(folder, text)), "test")


def entries(parts: Parts, action: str) -> int:
    query = "SELECT count(*)::int FROM kernel.audit_entry WHERE body::jsonb ->> 'action' = %s"
    with platform_context(parts, "test").begin() as tx:
        return tx.scalar(int, query, [action])


# ---- organisations


def test_organisations_come_from_the_packs(empty: Parts, tmp_path: Path) -> None:
    ctx = with_pack(empty, tmp_path)
    organisations.install(ctx)
    assert organisations.listing(ctx) == [
        Organisation("data", Text(en="Data Bureau", zh="数据局"), OrganisationKind.platform),
        Organisation("psb", Text(en="Public Security", zh="公安局"), OrganisationKind.department, "440300"),
        Organisation("psb_east", Text(en="Eastern Branch", zh="东部分局"), OrganisationKind.department, "", "psb"),
    ]
    with pytest.raises(NotFound):
        organisations.find(ctx, "nobody")


def test_installing_again_changes_and_records_nothing(empty: Parts, tmp_path: Path) -> None:
    ctx = with_pack(empty, tmp_path)
    organisations.install(ctx)
    before = organisations.listing(ctx)
    organisations.install(ctx)
    assert organisations.listing(ctx) == before
    assert entries(empty, "identity.organisations_installed") == 1


def test_what_the_packs_drop_is_retired_and_can_come_back(empty: Parts, tmp_path: Path) -> None:
    organisations.install(with_pack(empty, tmp_path))
    ctx = with_pack(empty, tmp_path, "[{code: data, title: {en: New Name, zh: 新名}, kind: platform}]")
    organisations.install(ctx)
    assert [(each.code, each.title.en, each.active) for each in organisations.listing(ctx)] == [
        ("data", "New Name", True),
        ("psb", "Public Security", False),
        ("psb_east", "Eastern Branch", False),
    ]
    organisations.install(with_pack(empty, tmp_path))
    assert all(each.active for each in organisations.listing(ctx))


def test_a_child_may_stand_before_its_parent(empty: Parts, tmp_path: Path) -> None:
    text = "[{code: a, title: {en: A, zh: 甲}, kind: district, parent: b}, {code: b, title: {en: B, zh: 乙}, kind: district}]"
    ctx = with_pack(empty, tmp_path, text)
    organisations.install(ctx)
    assert organisations.find(ctx, "a").parent == "b"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[{code: a, title: {en: A, zh: 甲}, kind: ministry}]", "Invalid enum value"),
        ("[{code: a, title: {en: A, zh: 甲}, kind: district, boss: x}]", "unknown field `boss`"),
        ("[{code: a, title: {en: A}, kind: district}]", "missing required field `zh`"),
        ("[{code: a, title: {en: A, zh: 甲}, kind: district, parent: b}]", "parent b is no other organisation"),
        ("[{code: a, title: {en: A, zh: 甲}, kind: district, parent: a}]", "parent a is no other organisation"),
        ("[{code: A B, title: {en: A, zh: 甲}, kind: district}]", "`$[0].code`"),
        ("[{code: '*', title: {en: A, zh: 甲}, kind: platform}]", "`$[0].code`"),
        ("{code: a}", "Expected `array`"),
    ],
)
def test_wrong_organisations_are_named(tmp_path: Path, text: str, fault: str) -> None:
    with pytest.raises(Invalid) as refused:
        spec.read(a_pack(tmp_path, text))
    assert refused.value.code == "kernel.pack_wrong"
    assert "organisations.yaml" in str(refused.value.params["file"])
    assert fault in str(refused.value.params["reason"])


def test_an_organisation_is_declared_once_over_all_packs(tmp_path: Path) -> None:
    first, second = a_pack(tmp_path / "one"), a_pack(tmp_path / "two")
    with pytest.raises(Invalid) as refused:
        spec.read(Packs((*first.order, *second.order)))
    assert refused.value.params["reason"] == "data is declared twice"


def test_other_files_are_refused(tmp_path: Path) -> None:
    found = a_pack(tmp_path)
    (tmp_path / "town" / "identity" / "staff.yaml").write_text("[]")
    with pytest.raises(Invalid) as refused:
        spec.read(found)
    assert "staff.yaml" in str(refused.value.params["file"])


# ---- the first administrators


def test_the_first_three_are_made_once(empty: Parts, tmp_path: Path) -> None:
    ctx = with_pack(empty, tmp_path)
    organisations.install(ctx)
    made = accounts.bootstrap(ctx)
    assert [(each.account, each.roles) for each in made] == [
        ("sysadmin", (Role.system_admin,)),
        ("secadmin", (Role.security_admin,)),
        ("auditadmin", (Role.audit_admin,)),
    ]
    assert len({each.password for each in made}) == 3
    assert {each.organisation for each in accounts.listing(ctx)} == {"data"}
    with pytest.raises(Conflict) as refused:
        accounts.bootstrap(ctx)
    assert refused.value.code == "identity.bootstrap_done"
    assert len(accounts.listing(ctx)) == 3
    assert entries(empty, "identity.bootstrapped") == 1


def test_any_account_at_all_ends_the_beginning(empty: Parts, tmp_path: Path) -> None:
    ctx = with_pack(empty, tmp_path)
    organisations.install(ctx)
    accounts.create(ctx, "somebody", "psb")
    with pytest.raises(Conflict):
        accounts.bootstrap(ctx)
    assert [each.name for each in accounts.listing(ctx)] == ["somebody"]


def test_only_the_platform_itself_begins(empty: Parts, tmp_path: Path) -> None:
    ctx = with_pack(empty, tmp_path)
    organisations.install(ctx)
    for principal in (Principal("platform", "data"), Principal("x", "*"), Principal("platform", "*")):
        with pytest.raises(Refused):
            accounts.bootstrap(Context(ctx.parts, principal))
    assert accounts.listing(ctx) == []


def test_the_administrators_need_a_home(empty: Parts, tmp_path: Path) -> None:
    ctx = with_pack(empty, tmp_path, ORGANISATIONS.replace("kind: platform", "kind: company"))
    organisations.install(ctx)
    for wanted, code in (("", "identity.platform_missing"), ("nobody", "identity.organisation_missing")):
        with pytest.raises(NotFound) as refused:
            accounts.bootstrap(ctx, wanted)
        assert refused.value.code == code
    assert accounts.listing(ctx) == []
    accounts.bootstrap(ctx, "psb")
    assert {each.organisation for each in accounts.listing(ctx)} == {"psb"}


# ---- the command


def run(parts: Parts, *arguments: str) -> Any:
    @contextmanager
    def opened(_settings: Settings) -> Iterator[Parts]:
        yield parts

    return CliRunner().invoke(commands.app, list(arguments), obj=opened, catch_exceptions=False)


def test_the_command_prints_one_time_passwords_that_open(empty: Parts, tmp_path: Path, scratch: Scratch) -> None:
    ctx = with_pack(empty, tmp_path)
    organisations.install(ctx)
    result = run(ctx.parts, "bootstrap", "--json")
    assert result.exit_code == 0
    issued = msgspec.json.decode(result.stdout, type=list[OneTimePassword])
    assert [each.account for each in issued] == ["sysadmin", "secadmin", "auditadmin"]
    for each in issued:
        attempt = Attempt(account=each.account, password=each.password, address="192.0.2.1")
        assert sessions.sign_in(ctx.parts, attempt).me.must_change_password
    assert "7" in result.stderr


def test_the_command_is_readable_without_json(empty: Parts, tmp_path: Path) -> None:
    ctx = with_pack(empty, tmp_path)
    organisations.install(ctx)
    lines = [line.split("\t") for line in run(ctx.parts, "bootstrap").stdout.splitlines()]
    assert [(line[0], line[2]) for line in lines] == [
        ("sysadmin", "系统管理员"),
        ("secadmin", "安全管理员"),
        ("auditadmin", "审计管理员"),
    ]


def test_the_command_lets_an_administrator_in_again(empty: Parts, tmp_path: Path) -> None:
    ctx = with_pack(empty, tmp_path)
    organisations.install(ctx)
    first = accounts.bootstrap(ctx)[0]
    result = run(ctx.parts, "reset-password", "sysadmin", "--json")
    issued = msgspec.json.decode(result.stdout, type=list[OneTimePassword])[0]
    assert issued.roles == (Role.system_admin,)
    assert issued.password != first.password
    attempt = Attempt(account="sysadmin", password=issued.password, address="192.0.2.1")
    assert sessions.sign_in(ctx.parts, attempt).me.account == "sysadmin"


def test_the_command_gives_a_department_its_token(empty: Parts, tmp_path: Path) -> None:
    ctx = with_pack(empty, tmp_path)
    organisations.install(ctx)
    secrets = [run(ctx.parts, "token", "psb", *more).stdout.strip() for more in ((), ("--right", "exchange.deliver"))]
    found = [
        api.authenticate(ctx.parts, Credentials(method="PUT", authorization=f"Bearer {secret}")) for secret in secrets
    ]
    assert {(each.name, each.organisation, each.roles) for each in found} == {
        ("psb-service", "psb", frozenset({"data_officer"}))
    }
    assert [each.rights for each in found] == [frozenset(commands.DELIVERING), frozenset({"exchange.deliver"})]
    with pytest.raises(NotFound):
        run(ctx.parts, "token", "nobody")
