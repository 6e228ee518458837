"""Starts the city, has its departments deliver and share, and holds all that comes of it against what was planned."""

import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from time import monotonic
from typing import Any

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from cityloom import app, client
from cityloom.demo import addresses as address_desk
from cityloom.demo import admission as admissions
from cityloom.demo import people as people_found
from cityloom.demo import share, waiting
from cityloom.demo import stations as living
from cityloom.demo.desks import furnish
from cityloom.identity.api import organisations, services
from cityloom.identity.contracts import OrganisationKind
from cityloom.kernel import jobs, log
from cityloom.kernel.audit import api as audit
from cityloom.kernel.audit import verify
from cityloom.kernel.audit.entry import Report
from cityloom.kernel.context import Parts
from cityloom.kernel.settings import Settings
from cityloom.registers.api import states
from cityloom.samplecity import api as samplecity
from cityloom.samplecity.contracts import PlannedDelivery
from cityloom.supervise import City
from cityloom.topics.api import counting

RIGHTS = (
    "exchange.deliver",
    "exchange.read_receipt",
    "exchange.read_changes",
    "exchange.withdraw",
    *share.RIGHTS,
    *people_found.RIGHTS,
    *address_desk.RIGHTS,
    *admissions.RIGHTS,
    *living.RIGHTS,
    *waiting.RIGHTS,
    "appraisal.read_all",
)

LEAST_PRECISION, LEAST_RECALL = 0.98, 0.95
"""Of the links that the registers make between births and children."""
LEAST_MATCHED = 0.98
"""Of the texts that were matched with an address, those for which it is the one that was meant."""
LEAST_AGREEMENT = 0.95
"""Of the answers to admission with the truth that was made up: they rest on the same records."""

logger = log.logger("demo")


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What the demo came to; its last line with --json."""

    city: str
    people: int
    seed: int
    datasets: int
    deliveries: int
    records_in: int
    accepted: int
    quarantined: int
    duplicates: int
    seeded_errors: int
    seeded_errors_found: int
    other_faults: int
    """Faults that nobody seeded: 0 when the gate is right."""
    counts_as_planned: bool
    unreconciled: int
    requests: int
    grants: int
    queries: int
    verifications: int
    appraisal: dict[str, float]
    """Points of each department for this year so far, out of 100 and a bonus of 5 (R23), by what the logs hold."""
    addresses: address_desk.Addresses | None
    """The library of standard addresses, and texts that were matched with it, against what they mean; none without it."""
    registers: dict[str, int]
    """How many entities each register holds."""
    linkage: people_found.Linkage
    """Certificates of birth, which have no number of the child, against the truth of who was born."""
    population: dict[str, int | None]
    """Persons by class, as published: registered (H), resident (R), managed (N), and all (R05)."""
    population_seeded: dict[str, int]
    """The same by what was made up of the people, before anything was delivered."""
    population_right: bool
    """Whether the count behind the published figures, which are rounded piece by piece, is that of the people made up."""
    health_centre_gap: dict[str, int]
    """Community health centres there are, and how many more the standard asks for at both ends of its range (R34)."""
    school_pressure: dict[str, int]
    """Places of primary schools short in catchments that are short of any, by scenario and year (R35)."""
    libraries: dict[str, float]
    """Of each topic library the parts of which there are records, out of 1; what no dataset delivers counts as missing."""
    admission: admissions.Admission
    """School admission without proofs: facts asked about the six-year-olds, and papers that parents must bring (R20)."""
    stations: int
    """Simulated stations in service: each registered, approved, and heard over its own protocol."""
    stations_planned: int
    observations: int
    """What they had observed by then."""
    shared_as_planned: bool
    """Whether requests were decided, and questions answered, as the departments meant and their records say."""
    audit_entries: int
    audit_verified: bool
    seconds: float
    url: str

    @property
    def sound(self) -> bool:
        """Whether everything came out as the generator knew it must."""
        found_all = self.seeded_errors_found == self.seeded_errors and self.other_faults == 0
        as_planned = self.counts_as_planned and self.shared_as_planned
        linked = self.linkage.precision >= LEAST_PRECISION and self.linkage.recall >= LEAST_RECALL
        found = self.addresses is None or self.addresses.precision >= LEAST_MATCHED
        answered = self.admission.agreement >= LEAST_AGREEMENT
        heard = self.stations == self.stations_planned
        return (
            found_all
            and as_planned
            and linked
            and self.population_right
            and found
            and answered
            and heard
            and self.audit_verified
            and self.unreconciled == 0
        )


def settings(given: Settings, own_home: bool) -> Settings:
    """The demo's settings: quiet, with gateways for devices, and in a home beside the real one unless the user names a folder."""
    quiet = living.doors(msgspec.structs.replace(given, log_level="error"))
    return msgspec.structs.replace(quiet, home=given.home / f"demo-{given.city}") if own_home else quiet


def run(city: City, people: int, seed: int, talk: Console) -> Result:
    """Start the city, deliver every file of the sample city, check what came of each, verify the audit log."""
    started = monotonic()
    talk.print(f"Starting the city of {city.settings.city} in {city.settings.home} …", highlight=False)
    city.start()
    city.wait_until_ready()
    with opened(city) as parts, tempfile.TemporaryDirectory(dir=city.settings.home) as spool:
        zone = parts.calendars.city.table.zone
        # freshness is judged by the day of delivery, so the files are of today: same seed and day, same bytes
        today = datetime.combine(parts.clock.now().astimezone(zone).date(), datetime.min.time(), zone)
        plan = samplecity.plan(parts.packs, people=people, seed=seed, as_of=today)
        tokens = Tokens(parts)
        keepers = {keeper: tokens.of(keeper) for _, keeper, _, _ in living.cast(parts)}
        stations = living.start(city, parts, keepers)
        tally = Tally()
        with _progress(talk) as progress:
            task = progress.add_task("delivering", total=samplecity.count(plan))
            for planned in samplecity.deliveries(plan, Path(spool)):
                progress.update(task, description=f"{planned.organisation}: {planned.dataset}")
                with closing(client.Exchange(city.url, tokens.of(planned.organisation))) as door:
                    tally.add(planned, *_deliver(door, planned, Path(spool)))
                progress.advance(task)
        unreconciled = _unreconciled(city.url, tokens)
        wishes = samplecity.wishes(plan, parts.packs)
        with _progress(talk) as progress:
            task = progress.add_task("sharing", total=len(wishes))
            shared = share.share(
                lambda organisation: client.Exchange(city.url, tokens.of(organisation)), wishes,
                lambda text: progress.update(task, description=text, advance=1),
            )  # fmt: skip
        addresses = _addresses(parts, city.url, tokens, plan, today)
        talk.print("Following the registers …", highlight=False)
        registers, linkage = _know(parts, city.url, tokens.of(_office(parts)), plan)
        with closing(client.Exchange(city.url, tokens.of(_office(parts)), patience=600)) as office:
            plans = people_found.count(office, today.date().isoformat())
            seeded = samplecity.headcount(plan, today.date())
            platform = jobs.platform_context(parts, "demo")
            right = people_found.counted_right(platform, today.date(), plans.population["all"] or 0, seeded["all"])
            counting.count(platform)
            libraries = people_found.libraries(office)
        admission = _admit(city.url, tokens, plan, parts.clock.now())
        appraisal = _appraise(city.url, tokens.of(_office(parts)), today)
        heard = living.alive(city.url, keepers, stations)
        waiting.leave(lambda organisation: client.Exchange(city.url, tokens.of(organisation)), wishes, today.date())
        report = _verify_audit(parts, Path(spool))
    return tally.result(
        city=city.settings.city, people=people, seed=seed, unreconciled=unreconciled, requests=shared.requests,
        addresses=addresses, registers=registers, linkage=linkage, population=plans.population,
        population_seeded=seeded, population_right=right,
        health_centre_gap=plans.health_centre_gap, school_pressure=plans.school_pressure, admission=admission,
        appraisal=appraisal, libraries=libraries, grants=shared.grants, queries=shared.queries,
        verifications=shared.verifications, stations=heard.stations, stations_planned=stations,
        observations=heard.observations,
        shared_as_planned=shared.as_planned, audit_entries=report.entries,
        audit_verified=report.ok, seconds=round(monotonic() - started, 1), url=city.url,
    )  # fmt: skip


def _addresses(
    parts: Parts, url: str, tokens: "Tokens", plan: samplecity.Plan, today: datetime
) -> address_desk.Addresses | None:
    """Where the city's packs have places: its library, and what people write."""
    if "places" not in {pack.name for pack in parts.packs}:
        return None
    with closing(client.Exchange(url, tokens.of(address_desk.KEEPER), patience=600)) as keeper:
        return address_desk.match(keeper, plan, today.date())


def _admit(url: str, tokens: "Tokens", plan: samplecity.Plan, now: datetime) -> admissions.Admission:
    """The facts of school admission, asked of the registers and the copies once these have followed."""
    planned = list(islice(samplecity.applications(plan), admissions.MOST))
    for keeper, dataset in (("housing", "dwelling"), ("hrss", "social_insurance_payment"), ("health", "immunisation")):
        with closing(client.Exchange(url, tokens.of(keeper))) as door:
            share.wait_for_copy(door, dataset)
    with closing(client.Exchange(url, tokens.of(admissions.ASKER), patience=600)) as asker:
        return admissions.ask(asker, planned, now)


def desks(city: City) -> tuple[list[str], str]:
    """Accounts for people who want to look at the running demo, and their password."""
    with opened(city) as parts:
        return furnish(parts, city.url)


def _know(
    parts: Parts, url: str, token: str, plan: samplecity.Plan
) -> tuple[dict[str, int], people_found.Linkage]:  # fmt: skip
    """How many entities the registers hold, and how well births found their children."""
    with closing(client.Exchange(url, token)) as office:
        found = people_found.follow(office)
    platform = jobs.platform_context(parts, "demo")
    register, births = people_found.REGISTER, people_found.BIRTHS
    members = {
        (each["name"], feed["dataset"]): states.members(platform, each["name"], feed["dataset"])
        for each in found
        for feed in each["feeds"]
    }
    known = {
        member.identifier.rpartition(":")[2]
        for (name, dataset), records in members.items()
        if name == register and dataset != births
        for member in records
        if member.identifier is not None
    }
    entities: dict[str, set[int]] = {}
    for (name, _), records in members.items():
        entities.setdefault(name, set()).update(member.entity for member in records)
    (state,) = (each for each in found if each["name"] == register)
    linkage = people_found.judge(members[register, births], samplecity.infants(plan), known, state["doubts"])
    return {name: len(those) for name, those in entities.items()}, linkage


class Tokens:
    """One API token per department, made when it first delivers; revoked with the demo's home."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._found: dict[str, str] = {}

    def of(self, organisation: str) -> str:
        """The department's token."""
        if organisation not in self._found:
            self._found[organisation] = services.issue(
                jobs.platform_context(self._parts, "demo"), organisation, RIGHTS
            ).secret
        return self._found[organisation]

    def all(self) -> list[str]:
        """Every token made so far."""
        return list(self._found.values())


class Tally:
    """Holds what came of each delivery against what was sown in it."""

    def __init__(self) -> None:
        self.datasets: set[str] = set()
        self.deliveries = 0
        self.counts: Counter[str] = Counter()
        self.seeded = self.found = self.others = 0
        self.as_planned = True

    def add(self, planned: PlannedDelivery, counts: dict[str, int], faults: set[tuple[int, str, str]]) -> None:
        """One delivery: its receipt's counts and the faults that were named."""
        self.datasets.add(planned.dataset)
        self.deliveries += 1
        self.counts.update({name: counts.get(name, 0) for name in ("rows_in", "accepted", "quarantined", "duplicates")})
        truth = {(fault.row, fault.field, fault.rule) for fault in planned.truth}
        self.seeded += len(truth)
        self.found += len(truth & faults)
        self.others += len(faults - truth)
        expected = (planned.rows, planned.accepted, planned.quarantined, planned.duplicates)
        found = tuple(counts.get(name, 0) for name in ("rows_in", "accepted", "quarantined", "duplicates"))
        if expected != found:
            self.as_planned = False
            logger.error(
                "counts_differ", dataset=planned.dataset, delivery=planned.delivery_id, expected=expected, found=found
            )
        if truth != faults:
            missed, extra = sorted(truth - faults)[:5], sorted(faults - truth)[:5]
            logger.error(
                "faults_differ", dataset=planned.dataset, delivery=planned.delivery_id, missed=missed, extra=extra
            )

    def result(self, **more: Any) -> Result:
        """The sums."""
        return Result(
            datasets=len(self.datasets),
            deliveries=self.deliveries,
            records_in=self.counts["rows_in"],
            accepted=self.counts["accepted"],
            quarantined=self.counts["quarantined"],
            duplicates=self.counts["duplicates"],
            seeded_errors=self.seeded,
            seeded_errors_found=self.found,
            other_faults=self.others,
            counts_as_planned=self.as_planned,
            **more,
        )


def _deliver(
    door: client.Exchange, planned: PlannedDelivery, into: Path
) -> tuple[dict[str, int], set[tuple[int, str, str]]]:
    """Deliver one file as its department would, and read back every fault the platform named."""
    file = client.File(
        planned.path, planned.content_type, planned.content_encoding, planned.charset or "", planned.path.name
    )
    receipt = door.deliver(planned.dataset, planned.delivery_id, file, mode=planned.mode, rows=planned.rows)
    faults: set[tuple[int, str, str]] = set()
    if receipt.get("quarantine"):
        held = into / "faults.ndjson"
        door.download(f"/api/exchange/datasets/{planned.dataset}/deliveries/{planned.delivery_id}/faults", held)
        for line in held.read_bytes().splitlines():
            fault = msgspec.json.decode(line)
            faults.add((fault["row"], fault["field"], fault["rule"]))
    planned.path.unlink(missing_ok=True)
    return receipt["counts"], faults


def _unreconciled(url: str, tokens: Tokens) -> int:
    """Sum of the differences that today's reconciliation shows to the departments; 0 when all is well."""
    total = 0
    today = datetime.now(UTC).date()  # noqa: TID251 - a client has no context
    for token in tokens.all():
        with closing(client.Exchange(url, token)) as door:
            for day in (today - timedelta(days=1), today, today + timedelta(days=1)):
                total += sum(
                    line["difference"] for line in door.get("/api/exchange/reconciliation", day=day.isoformat())
                )
    return total


def _office(parts: Parts) -> str:
    """The city's organisation that appraises."""
    listed = organisations.listing(jobs.platform_context(parts, "demo"))
    return next(each.code for each in listed if each.active and each.kind == OrganisationKind.platform)


def _appraise(url: str, token: str, today: datetime) -> dict[str, float]:
    """The departments' points from the first of January until now."""
    with closing(client.Exchange(url, token)) as door:
        found = door.get("/api/appraisal/ranking", start=f"{today.year}-01-01", end=today.date().isoformat())
    return {line["organisation"]: float(line["points"]) for line in found["lines"]}


def _verify_audit(parts: Parts, folder: Path) -> Report:
    """Seal, export and verify the audit log offline."""
    now = parts.clock.now()
    audit.seal(parts.db, parts.signer, parts.settings.audit_files, now)
    audit.export(parts.db, parts.settings.audit_files, folder / "audit", now)
    return verify.verify(folder / "audit")


@contextmanager
def opened(city: City) -> Iterator[Parts]:
    """The parts of the running city, for what only its operator does: tokens for the departments, the audit export."""
    parts = app.open_parts(city.settings)
    try:
        yield parts
    finally:
        app.close_parts(parts)


def show(result: Result, talk: Console) -> None:
    """The result for people."""
    talk.print(f"{result.city}: {result.people:,} people, seed {result.seed}", highlight=False)
    table = Table(box=None, show_header=False, padding=(0, 2))
    table.add_column()
    table.add_column(justify="right", min_width=14)
    for label, value in (
        ("datasets", result.datasets),
        ("deliveries", result.deliveries),
        ("records handed in", result.records_in),
        ("  accepted", result.accepted),
        ("  quarantined", result.quarantined),
        ("  duplicates", result.duplicates),
        ("errors sown", result.seeded_errors),
        ("  found", result.seeded_errors_found),
        ("  named wrongly", result.other_faults),
        ("records unreconciled", result.unreconciled),
        ("requests for data", result.requests),
        ("  granted", result.grants),
        ("records asked for", result.queries),
        ("claims verified", result.verifications),
        ("standard addresses", result.addresses.library if result.addresses else 0),
        ("  texts matched rightly", result.addresses.right if result.addresses else 0),
        ("people in the register", result.registers.get("person", 0)),
        ("  births linked to their child", result.linkage.linked),
        ("school admission, facts asked", result.admission.facts),
        ("  papers asked of parents", result.admission.papers_asked),
        ("people counted (R05)", result.population["all"] or 0),
        ("  as seeded", result.population_seeded["all"]),
        ("health centres missing, at most", result.health_centre_gap["high"]),
        ("topic libraries", len(result.libraries)),
        ("stations that speak", result.stations),
        ("  what they observed", result.observations),
        ("audit entries", result.audit_entries),
    ):
        table.add_row(label, f"{value:,}")
    for place, (department, points) in enumerate(sorted(result.appraisal.items(), key=lambda each: -each[1])[:3]):
        table.add_row("" if place else "points for sharing", f"{department} {points:.2f}")
    for place, (library, delivered) in enumerate(sorted(result.libraries.items(), key=lambda each: -each[1])):
        table.add_row("" if place else "  parts delivered", f"{library} {delivered:.0%}")
    table.add_row("audit log verified offline", "yes" if result.audit_verified else "NO")
    table.add_row("seconds, everything", f"{result.seconds:.1f}")
    talk.print(table)
    if not result.sound:
        talk.print("[red]Something did not come out as planned; see the log above.[/red]")


def _progress(talk: Console) -> Progress:
    columns = (TextColumn("{task.description:<48}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=talk, transient=not talk.is_terminal)
