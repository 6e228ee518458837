"""From where and with which certificate an organisation comes in, and that nobody else can say so."""

import base64
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from identity_kit import START, Town, make_town

from cityloom.identity.api import entrances, services
from cityloom.identity.contracts import Credentials, Role
from cityloom.identity.rules import entrance
from cityloom.kernel.context import Parts
from cityloom.kernel.errors import BadRequest, Invalid, NotFound, Refused
from scratch import Scratch

WHO = "/api/identity/session"


@pytest.fixture
def town(parts: Parts, scratch: Scratch, tmp_path: Path) -> Town:
    return make_town(parts, scratch.admin_url, tmp_path)


def certificate(name: str = "gateway", days: int = 30) -> x509.Certificate:
    key = Ed25519PrivateKey.generate()
    names = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder(names, names, key.public_key(), x509.random_serial_number())
    return builder.not_valid_before(START).not_valid_after(START + timedelta(days=days)).sign(key, None)


def pem(found: x509.Certificate) -> str:
    return found.public_bytes(Encoding.PEM).decode()


def as_rfc9440(found: x509.Certificate) -> str:
    return f":{base64.b64encode(found.public_bytes(Encoding.DER)).decode()}:"


def ask(town: Town, peer: str, **headers: str) -> tuple[int, str]:
    """What a program of the police at this address is answered."""
    secret = services.issue(town.platform, "psb", ("exchange.deliver",)).secret
    with town.client(peer, authorization=f"Bearer {secret}", **headers) as client:
        answer = client.get(WHO)
        return answer.status_code, answer.json().get("code", "")


def test_an_organisation_comes_in_from_its_own_networks(town: Town) -> None:
    entrances.set_addresses(town.platform, "psb", ("10.3.0.0/16", "2001:db8::7"))
    assert ask(town, "10.3.9.9") == (200, "")
    assert ask(town, "::ffff:10.3.9.9") == (200, "")
    assert ask(town, "2001:db8::7") == (200, "")
    assert ask(town, "10.4.0.1") == (403, "identity.address_refused")
    assert ask(town, "2001:db8::8") == (403, "identity.address_refused")
    # what a proxy of ours says is believed; what a caller says is not
    assert ask(town, "127.0.0.1", **{"x-forwarded-for": "10.3.1.1"}) == (200, "")
    assert ask(town, "10.4.0.1", **{"x-forwarded-for": "10.3.1.1"}) == (403, "identity.address_refused")
    assert ask(town, "127.0.0.1", **{"x-forwarded-for": "10.3.1.1, 10.4.0.1"}) == (403, "identity.address_refused")
    entrances.set_addresses(town.platform, "psb", ())
    assert ask(town, "10.4.0.1") == (200, "")


def test_a_session_and_a_sign_in_are_held_to_the_networks_too(town: Town) -> None:
    town.person("zhang.wei", Role.analyst)
    with town.client("10.4.0.1") as inside, town.client("10.4.0.1") as later:
        assert inside.post(WHO, json={"account": "zhang.wei", "password": "seven wet umbrellas"}).status_code == 201
        entrances.set_addresses(town.platform, "psb", ("10.3.0.0/16",))
        assert inside.get(WHO).json()["code"] == "identity.address_refused"
        answer = later.post(WHO, json={"account": "zhang.wei", "password": "seven wet umbrellas"})
        assert (answer.status_code, answer.json()["code"]) == (403, "identity.address_refused")
        wrong = later.post(WHO, json={"account": "zhang.wei", "password": "another"})
        assert wrong.json()["code"] == "identity.sign_in_failed"  # who does not know the password learns nothing


def test_a_token_needs_a_certificate_of_its_organisation(town: Town) -> None:
    ours, foreign, next_one = certificate(), certificate("other"), certificate("next", days=90)
    found = entrances.add_certificate(town.platform, "psb", pem(ours)).certificates[0]
    assert (found.subject, found.not_after) == ("CN=gateway", START + timedelta(days=30))
    assert ask(town, "127.0.0.1") == (403, "identity.certificate_needed")
    assert ask(town, "127.0.0.1", **{"client-cert": as_rfc9440(ours)}) == (200, "")
    assert ask(town, "127.0.0.1", **{"x-ssl-client-cert": quote(pem(ours))}) == (200, "")
    assert ask(town, "127.0.0.1", **{"client-cert": as_rfc9440(foreign)}) == (403, "identity.certificate_unknown")
    # a header that no trusted proxy sent is not heeded
    assert ask(town, "192.0.2.9", **{"client-cert": as_rfc9440(ours)}) == (403, "identity.certificate_needed")
    assert ask(town, "127.0.0.1", **{"client-cert": ":bm9uZQ==:"}) == (400, "identity.certificate_unreadable")
    entrances.add_certificate(town.platform, "psb", pem(next_one))
    town.clock.turn(days=31)
    assert ask(town, "127.0.0.1", **{"client-cert": as_rfc9440(ours)}) == (403, "identity.certificate_over")
    assert ask(town, "127.0.0.1", **{"client-cert": as_rfc9440(next_one)}) == (200, "")
    entrances.drop_certificate(town.platform, "psb", found.fingerprint)
    assert ask(town, "127.0.0.1") == (403, "identity.certificate_needed")


def test_who_may_change_it_and_that_it_is_recorded(town: Town) -> None:
    town.person("zhang.wei", Role.data_officer)
    for name in ("zhang.wei", "sysadmin"):
        with pytest.raises(Refused):
            entrances.set_addresses(town.acting(name), "psb", ("10.0.0.0/8",))
        with pytest.raises(Refused):
            entrances.add_certificate(town.acting(name), "psb", pem(certificate()))
    assert entrances.find(town.acting("sysadmin"), "psb").addresses == ()
    with pytest.raises(NotFound):
        entrances.set_addresses(town.acting("secadmin"), "nobody", ("10.0.0.0/8",))
    with pytest.raises(Invalid, match=r"identity\.network_wrong"):
        entrances.set_addresses(town.acting("secadmin"), "psb", ("10.0.0.1/8",))
    with pytest.raises(Invalid, match=r"identity\.certificate_not_pem"):
        entrances.add_certificate(town.acting("secadmin"), "psb", "-----BEGIN CERTIFICATE-----\nx")
    assert entrances.find(town.acting("auditadmin"), "psb").certificates == ()
    entrances.set_addresses(town.acting("secadmin"), "psb", ("10.0.0.0/8",))
    entry = town.entries("identity.addresses_set")[0]
    assert (entry["actor"], entry["subject"], entry["facts"]["addresses"]) == (
        "secadmin", "organisation:psb", ["10.0.0.0/8"],
    )  # fmt: skip


@pytest.mark.parametrize(
    "header", ["", ":", "::", "é", ":" + "A" * 20_000 + ":", "%FF%00", "-----BEGIN CERTIFICATE-----"]
)
def test_no_header_breaks_the_reading_of_certificates(header: str) -> None:
    for given in ((header, ""), ("", header)):
        if not header:
            assert entrance.fingerprint(*given) == ""
            continue
        with pytest.raises(BadRequest):
            entrance.fingerprint(*given)


def test_an_address_that_is_none_lies_in_no_network() -> None:
    shown = Credentials(method="GET", address="testclient")
    refused: Any = entrance.address_refusal(shown, ["0.0.0.0/0"])
    assert refused.code == "identity.address_refused"
