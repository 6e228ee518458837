"""The guide's nginx configuration in front of a real city: TLS, mutual TLS, and callers that tell lies in headers."""

import shutil
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from cityloom import app
from cityloom.identity.api import entrances
from cityloom.kernel.jobs import platform_context
from faults.running import RunningCity, free_port

GUIDE = Path(__file__).parents[2] / "docs/guides/samples/tls/nginx.conf"
NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin")
WHO = "/api/identity/session"

pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not installed (Debian: nginx-light)")


class Proxied(msgspec.Struct, frozen=True):
    """The city and the two addresses of the proxy in front of it."""

    city: RunningCity
    folder: Path
    plain: str
    mutual: str

    def ask(self, url: str, client: str = "", **headers: str) -> tuple[int, str]:
        """Who am I, as a program with the town's token and perhaps a client certificate."""
        trust = ssl.create_default_context(cafile=str(self.folder / "server.pem"))
        if client:
            trust.load_cert_chain(self.folder / f"{client}.pem", self.folder / f"{client}.key")
        answer = httpx.get(url + WHO, headers={"authorization": f"Bearer {self.city.token}", **headers}, verify=trust)
        return answer.status_code, answer.json().get("code", "")


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxied]:
    folder = tmp_path_factory.mktemp("proxied")
    city = RunningCity(folder)
    for name in ("server", "town", "stranger"):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
             "-subj", f"/CN={name}", "-addext", "subjectAltName=DNS:localhost", "-keyout", folder / f"{name}.key",
             "-out", folder / f"{name}.pem"],
            check=True, capture_output=True,
        )  # fmt: skip
    ports = [free_port(), free_port()]
    with (folder / "nginx.log").open("wb") as log:
        configured = configuration(folder, city.settings.port, *ports)
        nginx = subprocess.Popen([str(NGINX), "-e", "stderr", "-c", configured], stderr=log)
    try:
        city.start()
        city.wait()
        assert city.token
        yield Proxied(city, folder, *(f"https://localhost:{port}" for port in ports))
    finally:
        nginx.terminate()
        nginx.wait(10)
        city.remove()


def configuration(folder: Path, city: int, plain: int, mutual: int) -> Path:
    """The guide's file with the test's ports and certificates, in the frame that a distribution puts around it."""
    site = GUIDE.read_text()
    for old, new in (
        ("127.0.0.1:8440", f"127.0.0.1:{city}"), ("listen 443", f"listen 127.0.0.1:{plain}"),
        ("listen 8443", f"listen 127.0.0.1:{mutual}"), ("/etc/cityloom/tls/", f"{folder}/"),
    ):  # fmt: skip
        assert old in site
        site = site.replace(old, new)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in kinds)
    file = folder / "nginx.conf"
    file.write_text(
        f"daemon off;\nuser root;\npid {folder}/nginx.pid;\nevents {{}}\n"
        f"http {{\naccess_log off;\n{temporary}{site}\n}}\n"
    )
    return file


def change(city: RunningCity, **wish: Any) -> None:
    """What the operator does with `cityloom identity entrance`."""
    with app.running_parts(city.settings) as parts:
        ctx = platform_context(parts, "test")
        if "addresses" in wish:
            entrances.set_addresses(ctx, "town", wish["addresses"])
        if "certificate" in wish:
            entrances.add_certificate(ctx, "town", wish["certificate"])


def test_nginx_takes_the_certificates_and_nobody_can_say_so_in_a_header(proxied: Proxied) -> None:
    wait_for(proxied)
    assert proxied.ask(proxied.plain) == (200, "")
    assert proxied.ask(proxied.mutual) == (200, "")
    town = (proxied.folder / "town.pem").read_text()
    change(proxied.city, certificate=town)
    assert proxied.ask(proxied.plain) == (403, "identity.certificate_needed")
    assert proxied.ask(proxied.mutual) == (403, "identity.certificate_needed")
    assert proxied.ask(proxied.mutual, "town") == (200, "")
    assert proxied.ask(proxied.mutual, "stranger") == (403, "identity.certificate_unknown")
    lie = {"x-ssl-client-cert": town.replace("\n", "%0A").replace("+", "%2B").replace(" ", "%20")}
    assert proxied.ask(proxied.city.url, **lie) == (200, "")  # on the machine itself it would be believed
    for url in (proxied.plain, proxied.mutual):
        assert proxied.ask(url, **lie) == (403, "identity.certificate_needed")


def test_nginx_tells_the_callers_address(proxied: Proxied) -> None:
    wait_for(proxied)
    change(proxied.city, addresses=("192.0.2.0/24",))
    try:
        assert proxied.ask(proxied.mutual, "town", **{"x-forwarded-for": "192.0.2.1"}) == (
            403,
            "identity.address_refused",
        )
        change(proxied.city, addresses=("127.0.0.0/8",))
        assert proxied.ask(proxied.mutual, "town", **{"x-forwarded-for": "192.0.2.1"})[1] != "identity.address_refused"
    finally:
        change(proxied.city, addresses=())


def test_figures_stay_inside(proxied: Proxied) -> None:
    wait_for(proxied)
    trust = ssl.create_default_context(cafile=str(proxied.folder / "server.pem"))
    assert httpx.get(proxied.plain + "/metrics", verify=trust).status_code == 403
    assert httpx.get(proxied.plain + "/healthz", verify=trust).text == "ok\n"
    [key] = httpx.get(proxied.plain + "/.well-known/jwks.json", verify=trust).json()["keys"]
    assert (key["kty"], key["crv"], len(key["kid"])) == ("OKP", "Ed25519", 64)


def wait_for(proxied: Proxied) -> None:
    """nginx listens within a moment of its start."""
    trust = ssl.create_default_context(cafile=str(proxied.folder / "server.pem"))
    for _ in range(100):
        try:
            httpx.get(proxied.plain + "/healthz", verify=trust)
        except httpx.ConnectError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError("nginx does not listen")
