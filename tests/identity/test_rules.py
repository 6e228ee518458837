"""Decisions of identity that need no database: roles, passwords, waits, browsers, tokens."""

from datetime import UTC, datetime, timedelta
from itertools import chain, combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cityloom.identity.contracts import Count, Credentials, Role, TokenWish
from cityloom.identity.rules import browser, entrance, passwords, roles, throttle, tokens
from cityloom.kernel.errors import Conflict, Invalid, Refused, Unavailable
from cityloom.kernel.settings import Settings

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
ADMINISTRATORS = {Role.system_admin, Role.security_admin, Role.audit_admin}
EVERY_SET = [set(chosen) for chosen in chain.from_iterable(combinations(Role, size) for size in range(len(Role) + 1))]


# ---- roles


@pytest.mark.parametrize("wanted", EVERY_SET, ids=lambda wanted: "+".join(sorted(wanted)) or "none")
def test_administrators_stand_alone(wanted: set[Role]) -> None:
    if len(wanted) > 1 and wanted & ADMINISTRATORS:
        with pytest.raises(Invalid) as refused:
            roles.kept_apart(wanted)
        assert refused.value.code == "identity.roles_not_apart"
    else:
        assert set(roles.kept_apart([*wanted, *wanted])) == wanted
        assert len(roles.kept_apart([*wanted, *wanted])) == len(wanted)


def test_the_last_administrator_stays() -> None:
    holders = [("anna", "system_admin"), ("bo", "system_admin"), ("cao", "audit_admin")]
    roles.check_remaining("anna", ["system_admin"], holders)
    with pytest.raises(Conflict) as refused:
        roles.check_remaining("cao", ["audit_admin"], holders)
    assert refused.value.params == {"role": "audit_admin"}
    roles.check_remaining("dai", ["steward"], [])


@pytest.mark.parametrize(
    "name", ["", "ab", "Anna", "1abc", "a b c", "zhang三", "platform", "anonymous", "a" * 65, "abc\n"]
)
def test_names_that_no_account_has(name: str) -> None:
    with pytest.raises(Invalid):
        roles.check_name(name)


@pytest.mark.parametrize("name", ["abc", "zhang.wei", "psb-gateway_2", "a" * 64])
def test_names_that_accounts_have(name: str) -> None:
    assert roles.check_name(name) == name


# ---- passwords


@pytest.mark.parametrize(
    "password",
    [
        "password1234", "123456789012", "qwertyuiop123", "1q2w3e4r5t6y", "adminadmin123", "iloveyou1234", "woaini1314520",
        "aaaaaaaaaaaa", "abcdefghijkl", "Passw0rd2024!", "a1b2c3d4e5f6", "qazwsxedcrfv", "1qaz2wsx3edc", "Shenzhen2024!!",
        "P@ssw0rd1234", "abababababab", "zaq12wsxcde3", "Welcome@2025", "administrator1", "Admin@123456", "qwe123qwe123",
        "11223344556677", "abc123abc123", "Huawei@12345", "Changeme123!", "zhongguo2024", "letmein12345", "Test12345678",
    ],
)  # fmt: skip
def test_passwords_that_everybody_tries(password: str) -> None:
    with pytest.raises(Invalid) as refused:
        passwords.check(password, "zhang.wei")
    assert refused.value.code == "identity.password_common"


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("short words", "identity.password_short"),
        ("x9 " * 86, "identity.password_long"),
        ("my zhang.wei is here", "identity.password_names_account"),
        ("my ZHANG.WEI is here", "identity.password_names_account"),
    ],
)
def test_passwords_that_are_wrong_for_another_reason(password: str, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        passwords.check(password, "zhang.wei")
    assert refused.value.code == code


@pytest.mark.parametrize(
    "password",
    [
        "correct horse battery staple",
        "江南水乡的桥下有船来往不息",
        "Tr0ub4dor&3xyz",
        "xK9#mP2$vL7q",
        "4711 wolken ziehen",
    ],
)
def test_passwords_that_are_taken(password: str) -> None:
    assert passwords.check(password, "zhang.wei") == password


def test_characters_that_look_the_same_are_the_same() -> None:
    wide = "ｃｏｒｒｅｃｔ horse battery"
    assert passwords.check(wide, "abc") == "correct horse battery"
    assert passwords.verify(passwords.hashed(wide), "correct horse battery")


@pytest.mark.usefixtures("real_hashes")
def test_hashes_are_argon2id_salted_and_told_when_outdated() -> None:
    first, second = passwords.hashed("seven wet umbrellas"), passwords.hashed("seven wet umbrellas")
    assert first.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert first != second
    assert passwords.verify(first, "seven wet umbrellas")
    assert not passwords.verify(first, "seven wet umbrella")
    assert not passwords.verify(None, "seven wet umbrellas")
    assert not passwords.outdated(first)
    weaker = "$argon2id$v=19$m=8192,t=1,p=1$c29tZXNhbHQxMjM0NTY$RGVzY3JpcHRpb24gb2YgYSBoYXNoIHdpdGggMzI"
    assert passwords.outdated(weaker)


@pytest.mark.usefixtures("real_hashes")
def test_what_is_checked_for_nobody_costs_what_a_hash_costs() -> None:
    """The decoy's parameters are those of all others, and it is a hash that argon2 can read."""
    assert not passwords.outdated(passwords.DECOY)
    assert not passwords.verify(passwords.DECOY, "")


def test_one_time_passwords_differ_and_pass_the_policy() -> None:
    made = {passwords.one_time() for _ in range(200)}
    assert len(made) == 200
    for each in made:
        assert len(each) == 23
        assert passwords.own_length(each) >= passwords.LEAST_OWN


@given(st.text(max_size=300))
def test_own_length_never_exceeds_the_length(text: str) -> None:
    assert 0 <= passwords.own_length(text) <= len(text)


def test_a_crowd_at_the_door_is_told_to_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "PATIENCE", 0.01)
    for _ in range(2):
        passwords.TURNS.acquire()
    try:
        with pytest.raises(Unavailable) as refused:
            passwords.verify(None, "x")
        assert refused.value.code == "identity.busy"
    finally:
        passwords.TURNS.release(2)
    assert not passwords.verify(None, "x")


# ---- waits


def test_waits_double_after_the_free_tries() -> None:
    count, waits = Count(0, NOW, NOW), []
    for _ in range(18):
        count = throttle.counted(count, 5, NOW)
        waits.append(throttle.seconds_to_wait(count, NOW))
    assert waits == [0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900, 900]


def test_an_hour_of_quiet_forgets_failures() -> None:
    count = Count(12, NOW, NOW)
    assert throttle.counted(count, 5, NOW + timedelta(minutes=59)).tries == 13
    assert throttle.counted(count, 5, NOW + timedelta(minutes=60)).tries == 1


def test_a_right_try_is_as_if_it_had_not_been() -> None:
    before = Count(7, NOW, NOW)
    after = throttle.forgiven(throttle.counted(before, 5, NOW), NOW)
    assert (after.tries, throttle.seconds_to_wait(after, NOW)) == (7, 0)
    assert throttle.forgiven(Count(0, NOW, NOW), NOW).tries == 0


@given(tries=st.integers(0, 10**6), free=st.integers(1, 100), passed=st.floats(0, 7200))
def test_a_wait_is_never_longer_than_a_quarter_of_an_hour(tries: int, free: int, passed: float) -> None:
    later = NOW + timedelta(seconds=passed)
    counted = throttle.counted(Count(tries, NOW, NOW), free, later)
    assert 0 <= throttle.seconds_to_wait(counted, later) <= 900


def test_a_rest_of_a_second_is_a_second() -> None:
    assert throttle.seconds_to_wait(Count(1, NOW, NOW + timedelta(milliseconds=1)), NOW) == 1
    assert throttle.seconds_to_wait(Count(1, NOW, NOW), NOW) == 0


def test_strangers_and_known_browsers_are_counted_apart() -> None:
    stranger = throttle.buckets("anna", "192.0.2.1", "")
    assert {bucket.free for bucket in stranger} == {50, 5}
    known = throttle.buckets("anna", "192.0.2.1", "nonce")
    assert len(known) == 1
    assert not {bucket.id for bucket in stranger} & {bucket.id for bucket in known}
    assert known != throttle.buckets("bo", "192.0.2.1", "nonce")
    assert [b.id for b in stranger] == sorted(b.id for b in stranger)
    assert {len(bucket.id) for bucket in stranger + known} == {32}


def test_a_subscriber_is_one_address() -> None:
    assert throttle.network("2001:db8:1:2:3:4:5:6") == throttle.network("2001:db8:1:2::1") == "2001:db8:1:2::"
    assert throttle.network("2001:db8:1:3::1") != throttle.network("2001:db8:1:2::1")
    assert throttle.network("::ffff:192.0.2.1") == throttle.network("192.0.2.1") == "192.0.2.1"
    assert throttle.network("testclient") == ""


# ---- browsers


def shown(method: str = "POST", **more: str) -> Credentials:
    return Credentials(method=method, host="city.test", **more)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "https://city.test"},
        {"fetch_site": "same-origin", "origin": "http://CITY.test"},
        {"fetch_site": "none"},
        {"origin": "https://public.example"},
    ],
)
def test_our_own_pages_may(headers: dict[str, str]) -> None:
    browser.check_origin(shown(**headers), "https://public.example")


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.test"},
        {"origin": "null"},
        {"origin": "https://city.test.evil.test"},
        {"origin": "https://city.test:8443"},
        {"origin": "https://city.test@evil.test"},
        {"fetch_site": "cross-site"},
        {"fetch_site": "same-site"},
        {"fetch_site": "cross-site", "origin": "https://city.test"},
    ],
)
def test_other_sites_may_not_change_anything(headers: dict[str, str]) -> None:
    with pytest.raises(Refused) as refused:
        browser.check_origin(shown(**headers), "https://public.example")
    assert refused.value.code == "identity.origin_refused"
    browser.check_origin(shown("GET", **headers), "https://public.example")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "TRACE", "post"])
def test_a_change_needs_the_token_of_its_session(method: str) -> None:
    right = browser.csrf_token("a session")
    browser.check_csrf(shown(method, session="a session", csrf=right))
    for wrong in ("", right[:-1], right + "=", browser.csrf_token("another session"), "ä"):
        with pytest.raises(Refused) as refused:
            browser.check_csrf(shown(method, session="a session", csrf=wrong))
        assert refused.value.code == "identity.csrf_refused"


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_reading_needs_no_token(method: str) -> None:
    browser.check_csrf(shown(method, session="a session"))


def test_a_browser_is_known_only_for_its_account() -> None:
    value = browser.device_value(b"key", "anna", "nonce")
    assert browser.known_device(b"key", "anna", value) == "nonce"
    for account, cookie in (
        ("bo", value),
        ("anna", value[:-1]),
        ("anna", "nonce."),
        ("anna", ""),
        ("anna", ".x"),
        ("anna", "ä.ä"),
    ):
        assert browser.known_device(b"key", account, cookie) == ""
    assert browser.known_device(b"other", "anna", value) == ""


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("127.0.0.1", "203.0.113.9, 198.51.100.1, ::1", "198.51.100.1"),
        ("192.0.2.1", "", "192.0.2.1"),
        ("192.0.2.1", "198.51.100.1", "192.0.2.1"),
        ("127.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("::1", "203.0.113.9, 198.51.100.1", "198.51.100.1"),
        ("127.0.0.1", "198.51.100.1, nonsense", "127.0.0.1"),
        ("testclient", "198.51.100.1", "testclient"),
    ],
)
def test_the_address_is_the_peers_unless_a_proxy_of_ours_tells(peer: str, forwarded: str, address: str) -> None:
    assert entrance.client_address(peer, forwarded, entrance.listed(Settings().trusted_proxies)) == address


def test_cookies_are_bound_to_the_host_over_tls() -> None:
    assert browser.cookie_names(True).session == "__Host-cityloom_session"
    assert browser.cookie_names(False).session == "cityloom_session"


# ---- tokens

KNOWN = tokens.known_rights('permit (a, action in [Action::"exchange.deliver", Action::"identity.make_token"], b);')


def test_rights_are_read_from_the_policies() -> None:
    assert {"exchange.deliver", "identity.make_token"} == KNOWN


@pytest.mark.parametrize("right", ["exchange.delivr", "identity.make_token", "", "exchange.deliver "])
def test_rights_that_no_token_has(right: str) -> None:
    with pytest.raises(Invalid) as refused:
        tokens.check_wish(TokenWish("t", ("exchange.deliver", right)), KNOWN)
    assert refused.value.params == {"right": right}


def test_tokens_end_within_a_year() -> None:
    tokens.check_wish(TokenWish("t", ("exchange.deliver",), days=366), KNOWN)
    with pytest.raises(Invalid):
        tokens.check_wish(TokenWish("t", ("exchange.deliver",), days=367), KNOWN)


@pytest.mark.parametrize("hours", [-1, 337])
def test_overlaps_end_within_two_weeks(hours: int) -> None:
    with pytest.raises(Invalid):
        tokens.check_overlap(hours)
    assert tokens.check_overlap(336) == timedelta(days=14)


def test_a_token_is_read_from_the_header() -> None:
    made = tokens.new_token()
    assert tokens.parse_token(f"Bearer {made.text}") == made
    assert tokens.parse_token(f"bearer {made.text}") == made
    for wrong in (
        made.text,
        f"Basic {made.text}",
        f"Bearer {made.text}x",
        "Bearer ",
        "Bearer ctl_",
        f"Bearer {made.secret}",
    ):
        assert tokens.parse_token(wrong) is None


@given(st.text(max_size=200))
def test_no_header_makes_the_reader_stumble(header: str) -> None:
    assert tokens.parse_token(header) is None


def test_sessions_end_by_idleness_and_by_age() -> None:
    ends = NOW + timedelta(hours=12)
    assert not tokens.session_over(NOW + timedelta(minutes=29), NOW, ends)
    assert tokens.session_over(NOW + timedelta(minutes=30), NOW, ends)
    assert tokens.session_over(ends, ends, ends)
