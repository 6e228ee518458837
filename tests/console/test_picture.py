"""The README's picture: the map of the demo's city, as a planner sees it. Made anew before a release; nobody draws it by hand."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, expect

from console.conftest import Desk
from faults.running import free_port

PICTURE = Path(__file__).parents[2] / "docs/console.png"
PATIENCE = 600.0


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """Address and password of a demo that stays up."""
    port, home = free_port(), tmp_path / "home"
    command = [sys.executable, "-m", "cityloom", "demo", "--people", "10000", "--home", home, "--port", str(port)]
    with (tmp_path / "demo.log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as running:
        try:
            yield (
                await_desks(f"http://127.0.0.1:{port}", home, running),
                (home / "secrets/demo_password").read_text().strip(),
            )
        finally:
            running.terminate()


def await_desks(url: str, home: Path, running: subprocess.Popen[bytes]) -> str:
    """The city's address once somebody can sit down in it: accounts are made last."""
    ending = time.monotonic() + PATIENCE
    while running.poll() is None and time.monotonic() < ending:
        secret = home / "secrets/demo_password"
        if secret.exists():
            body = {"account": "water", "password": secret.read_text().strip()}
            if httpx.post(f"{url}/api/identity/session", json=body).is_success:
                return url
        time.sleep(1)
    raise AssertionError("the demo did not come up")


def draw(browser: Browser, url: str, password: str) -> bytes:
    """The map by street, wide."""
    context = browser.new_context(
        viewport={"width": 1440, "height": 860}, locale="zh-CN", bypass_csp=True, reduced_motion="reduce"
    )
    desk = Desk(context, url)
    desk.sign_in("planning", password)
    desk.arrive()
    page = desk.open("/map?level=district")
    page.wait_for_function("document.querySelector('[data-idle]')?.dataset.idle === 'district'")
    expect(page.get_by_role("table").locator("tbody tr").nth(5)).to_be_visible()
    assert desk.faults() == []
    made = page.screenshot()
    context.close()
    return made


@pytest.mark.full
def test_the_picture_of_the_readme(browser: Browser, demo: tuple[str, str]) -> None:
    made = draw(browser, *demo)
    assert made.startswith(b"\x89PNG")
    assert 30_000 < len(made) < 500_000
    PICTURE.write_bytes(made)
