"""A small city that runs, and people who sit before it in a browser."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from cityloom import app
from cityloom.console.api import pages
from cityloom.identity.api import accounts
from cityloom.identity.contracts import Role
from cityloom.kernel.context import Context
from cityloom.kernel.jobs import platform_context
from console import map_kit
from faults.running import RunningCity
from sharing import sharing_kit

PURPOSES = "[{code: rent_aid, title: {en: Rent aid, zh: 租房补贴}, legal_basis: {en: 'Housing Act, article 3', zh: 《住房法》第三条}}]"
PASSWORD = "seven wet umbrellas"
SIZES = {"wide": (1440, 900), "phone": (390, 844)}
SLOW = "GPU stall due to ReadPixels"
"""What Chromium says of a picture that it draws without a graphics card."""
AXE = Path(__file__).parents[2] / "web/node_modules/axe-core/axe.min.js"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium without a window. No longer than its file: while it lives, no test can run a loop of its own."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("no chromium on this machine; Debian's package has it")
    if not pages.built():
        pytest.skip("the console is not built; run ./loom web build")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--lang=zh-CN"])
        yield launched
        launched.close()


class Desk:
    """Somebody's browser, signed in or not, and everything that went wrong on its pages."""

    def __init__(self, context: BrowserContext, url: str) -> None:
        self.url, self.context = url, context
        self.page: Page = context.new_page()
        self.wrong: list[str] = []
        self.page.on(
            "console",
            lambda told: (
                self.wrong.append(told.text) if told.type in ("error", "warning") and SLOW not in told.text else None
            ),
        )
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))

    def open(self, path: str) -> Page:
        """Go to a place of the console and wait until it stands."""
        self.page.goto(f"{self.url}/console{path}")
        self.page.wait_for_load_state("networkidle")
        return self.page

    def sign_in(self, account: str, password: str) -> None:
        """As a person does."""
        self.open("/sign-in")
        self.page.fill("input[name=account]", account)
        self.page.fill("input[name=password]", password)
        self.page.keyboard.press("Enter")

    def arrive(self) -> None:
        """Wait until one is inside."""
        self.page.wait_for_selector("nav", state="attached")

    def choose_password(self, old: str, new: str) -> None:
        """What the first sign-in asks for."""
        self.page.fill("input[name=password]", old)
        self.page.fill("input[name=next]", new)
        self.page.fill("input[name=again]", new)
        self.page.keyboard.press("Enter")

    def faults(self) -> list[str]:
        """What axe finds serious, what runs over the side, and what was said on the browser's console."""
        self.page.evaluate(AXE.read_text(encoding="utf-8"))
        found = [
            f"{each['id']}: {each['nodes'][0]['html'][:200]}"
            for each in self.page.evaluate("axe.run()")["violations"]
            if each["impact"] in ("serious", "critical")
        ]
        over = self.page.evaluate("document.documentElement.scrollWidth > innerWidth")
        return [*found, *(["runs over the side"] if over else []), *self.wrong]


class Town(msgspec.Struct, frozen=True):
    """The running city, and how one comes to a desk in it."""

    city: RunningCity
    browser: Browser
    one_time: dict[str, str]

    def desk(self, account: str = "", language: str = "en", size: str = "wide") -> Desk:
        """A browser of its own; with an account, signed in."""
        width, height = SIZES[size]
        context = self.browser.new_context(
            viewport={"width": width, "height": height},
            locale="zh-CN" if language == "zh" else "en-GB",
            bypass_csp=True,  # for axe alone, which is put into the page; tests of the policy look at its header
            accept_downloads=True,
            reduced_motion="reduce",  # a dialog that fades in has too little contrast until it is there
        )
        desk = Desk(context, self.city.url)
        if account:
            desk.sign_in(account, PASSWORD)
            desk.arrive()
        return desk


ROLES = [Role.data_officer, Role.steward, Role.analyst]


@contextmanager
def settled(
    browser: Browser,
    folder: Path,
    people: Mapping[str, str],
    newcomers: Mapping[str, str] = {},
    ready: Callable[[Context], None] = lambda _: None,
) -> Iterator[Town]:
    """A city of the packs in the folder that runs, where these accounts (name: organisation) have a password of their own.

    `ready` puts into it what no door takes.
    """
    city = RunningCity(folder)
    city.start()
    try:
        city.wait()
        one_time = {}
        with app.running_parts(city.settings) as parts:
            ctx = platform_context(parts, "test")
            ready(ctx)
            for name, organisation in {**people, **newcomers}.items():
                one_time[name] = accounts.create(ctx, name, organisation).password
                accounts.give_roles(ctx, name, ROLES)
        made = Town(city, browser, one_time)
        for name in people:
            desk = made.desk()
            desk.sign_in(name, one_time[name])
            desk.page.wait_for_selector("input[name=next]")
            desk.choose_password(one_time[name], PASSWORD)
            desk.arrive()
            desk.context.close()
        yield made
    finally:
        city.remove()


@pytest.fixture(scope="module")
def town(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """Two departments; `newcomer` has not signed in yet."""
    folder = tmp_path_factory.mktemp("console")
    sharing_kit.write_pack(folder / "packs", {"identity/purposes.yaml": PURPOSES})
    map_kit.write(folder / "packs")
    people = {"civil": "civil", "housing": "housing"}
    with settled(browser, folder, people, {"newcomer": "housing"}, map_kit.publish) as made:
        yield made
