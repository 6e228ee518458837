"""The one plain list of the modules that are switched on, and how their parts are put together."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import psycopg
from psycopg.conninfo import make_conninfo

from cityloom.addresses.module import MODULE as ADDRESSES
from cityloom.appraisal.module import MODULE as APPRAISAL
from cityloom.catalogue.module import MODULE as CATALOGUE
from cityloom.console.module import MODULE as CONSOLE
from cityloom.exchange.module import MODULE as EXCHANGE
from cityloom.facts.module import MODULE as FACTS
from cityloom.identity.module import MODULE as IDENTITY
from cityloom.indicators.module import MODULE as INDICATORS
from cityloom.kernel import access, gauges, jobs, lake, logfiles, migrate, outbox, packs, processes, secrets, words
from cityloom.kernel.audit import api as audit
from cityloom.kernel.audit import keys
from cityloom.kernel.calendar.rules import calendars
from cityloom.kernel.calendar.spec import CalendarSpec
from cityloom.kernel.clock import SystemClock
from cityloom.kernel.context import Context, Parts
from cityloom.kernel.db import Database
from cityloom.kernel.errors import Conflict, NotFound
from cityloom.kernel.flow import api as flow
from cityloom.kernel.flow.events import FlowNotice, FlowsRecounted
from cityloom.kernel.manifest import Job, Listener, Module
from cityloom.kernel.postgres import Server, Talk
from cityloom.kernel.settings import Settings
from cityloom.maps.module import MODULE as MAPS
from cityloom.operation import api as operation
from cityloom.operation.module import MODULE as OPERATION
from cityloom.quality.module import MODULE as QUALITY
from cityloom.registers.module import MODULE as REGISTERS
from cityloom.sensing.module import MODULE as SENSING
from cityloom.sharing.module import MODULE as SHARING
from cityloom.topics.module import MODULE as TOPICS


def seal_audit(ctx: Context) -> None:
    """Sign the audit log's head over what was appended since the last one."""
    audit.seal(ctx.parts.db, ctx.parts.signer, ctx.settings.audit_files, ctx.clock.now())


def forget_events(ctx: Context) -> None:
    """Delete events that every listener has had for a week."""
    with ctx.begin() as tx:
        outbox.forget(tx, ctx.clock.now() - EVENTS_KEPT)


def tell_deadlines(ctx: Context) -> None:
    """Announce warnings, overdue notices and escalations of all flows, each once."""
    while True:
        with ctx.begin() as tx:
            notices = flow.due(tx, ctx.parts.calendars, ctx.clock.now())
            for each in notices:
                alarm = each.alarm
                told = FlowNotice(
                    each.flow, each.kind, each.subject, each.organisation, each.state, alarm.kind, alarm.step,
                    alarm.to, each.due, alarm.at,
                )  # fmt: skip
                ctx.emit(tx, told)
        if not notices:
            return


def recount_deadlines(ctx: Context) -> None:
    """Count deadlines anew after the calendar changed, such as when the holidays of a new year were announced."""
    while True:
        with ctx.begin() as tx:
            counted = flow.recount(tx, ctx.parts.calendars)
            if counted:
                ctx.emit(tx, FlowsRecounted(counted))
        if not counted:
            return


def watch_gauges(ctx: Context) -> None:
    """Look at the gauges of all modules."""
    operation.watch(ctx, GAUGES)


def keep_logs(ctx: Context) -> None:
    """Pack the logs of past days of this machine, and remove those whose time is over."""
    logfiles.keep(ctx.settings.logs, ctx.settings.log_days, ctx.clock.now())


def check_limits(ctx: Context) -> None:
    """Refuse to start with limits that are not understood."""
    operation.limits(ctx.settings.alarm_limits, GAUGES)


def listeners() -> list[Listener]:
    """Of all modules."""
    return [each for module in MODULES for each in module.listeners]


EVENTS_KEPT = timedelta(days=7)
AUDIT = Module(
    "audit",
    jobs=(
        Job("seal", seal_audit, timedelta(seconds=1)),
        Job("forget_events", forget_events, timedelta(hours=1)),
    ),
    gauges=gauges.AUDIT,
)
FLOWS = Module(
    "flows",
    jobs=(
        Job("tell_deadlines", tell_deadlines, timedelta(seconds=30)),
        Job("recount_deadlines", recount_deadlines, timedelta(minutes=10)),
    ),
    gauges=gauges.FLOWS,
)
MACHINE = Module(
    "machine",
    jobs=(
        Job("watch", watch_gauges, timedelta(seconds=30)),
        Job("keep_logs", keep_logs, timedelta(hours=1)),
    ),
    gauges=(*gauges.MACHINE, gauges.outbox(listeners)),
    install=check_limits,
)
MODULES: tuple[Module, ...] = (
    AUDIT,
    FLOWS,
    MACHINE,
    IDENTITY,
    OPERATION,
    CATALOGUE,
    EXCHANGE,
    SENSING,
    SHARING,
    QUALITY,
    ADDRESSES,
    REGISTERS,
    FACTS,
    TOPICS,
    INDICATORS,
    MAPS,
    APPRAISAL,
    CONSOLE,
)
PACKAGES = ("cityloom.kernel", *(module.package for module in MODULES if module not in (AUDIT, FLOWS, MACHINE)))
PROCESSES = {f"{module.name}.{process.name}": process for module in MODULES for process in module.processes}
GAUGES = {f"{module.name}.{gauge.name}": gauge for module in MODULES for gauge in module.gauges}


def processes_of(settings: Settings) -> list[str]:
    """Names of the processes that this city has beside web and jobs."""
    chosen = packs.choose(packs.folders(settings), settings.city)
    return [name for name, each in PROCESSES.items() if each.wanted(settings, chosen)]


def role_url(settings: Settings, admin_url: str, role: str) -> str:
    """The administrator's URL with another role and its password."""
    return make_conninfo(admin_url, user=role, password=secrets.load_or_make(settings.secrets, role))


def admin_url(settings: Settings) -> str:
    """Where the database is: as the settings say, or our own server of this home."""
    return settings.database_url or Server(settings.home).admin_url


def prepare(settings: Settings) -> int:
    """Bring the database up to the code and install the packs; the number of migrations run. Needs the database up.

    Raises Conflict `kernel.city_runs` when processes of an older release work on it, and what `migrate.pending` and
    `lake.require_catalogue` raise; then nothing was changed.
    """
    url = admin_url(settings)
    todo = migrate.pending(url, PACKAGES)
    lake.require_catalogue(url)
    if todo and (connections := migrate.in_use(url)):
        raise Conflict("kernel.city_runs", connections=connections, file=todo[0].path)
    return raise_to_code(settings, url)


def raise_to_code(settings: Settings, url: str) -> int:
    """Run the migrations and install the packs, on a database of which nobody else makes use."""
    key = bytes.fromhex(secrets.load_or_make(settings.secrets, "scope"))
    app, lake_role = (secrets.load_or_make(settings.secrets, role) for role in ("cityloom_app", "cityloom_lake"))
    ran = migrate.migrate(url, PACKAGES, app, lake_role, key)
    parts = open_parts(settings)
    try:
        for module in MODULES:
            if module.install:
                module.install(jobs.platform_context(parts, "install"))
    finally:
        close_parts(parts)
    return ran


def open_parts(settings: Settings) -> Parts:
    """The running parts of this process. Needs a prepared database."""
    processes.drop_folders_of_the_dead(settings.home / "tmp")
    url = admin_url(settings)
    key = bytes.fromhex(secrets.load_or_make(settings.secrets, "scope"))
    chosen = packs.choose(packs.folders(settings), settings.city)
    calendar = chosen.read("kernel", CalendarSpec).get("calendar")
    return Parts(
        settings=settings,
        clock=SystemClock(),
        db=Database(role_url(settings, url, "cityloom_app"), key),
        lake=lake.Lake(lake_settings(settings, url)),
        words=words.load(PACKAGES),
        policies=access.load(PACKAGES),
        packs=chosen,
        calendars=calendars(CalendarSpec() if calendar is None else calendar),
        signer=keys.open_signer(settings.secrets),
    )


def lake_settings(settings: Settings, url: str) -> lake.LakeSettings:
    """How this process reaches the lake."""
    s3 = {}
    if settings.lake_files.startswith("s3://"):
        s3 = {"KEY_ID": settings.s3_key_id, "SECRET": settings.s3_secret, "REGION": settings.s3_region}
        s3 |= {"USE_SSL": str(settings.s3_use_ssl).lower(), "URL_STYLE": "path" if settings.s3_endpoint else "vhost"}
        if settings.s3_endpoint:
            s3["ENDPOINT"] = settings.s3_endpoint
    return lake.LakeSettings(
        catalogue_url=role_url(settings, url, "cityloom_lake"),
        files=settings.lake_files,
        memory_mib=settings.lake_memory_mib,
        threads=settings.lake_threads,
        temporary=processes.own_folder(settings.home / "tmp"),
        s3=s3,
    )


def close_parts(parts: Parts) -> None:
    """Give connections back."""
    parts.lake.close()
    parts.db.close()


@contextmanager
def running_parts(settings: Settings, talk: Talk = lambda _: None) -> Iterator[Parts]:
    """The parts for a command: uses the database that runs, or starts our own for as long as the block lasts."""
    server = None
    if not settings.database_url:
        server = Server(settings.home, talk)
        if server.answers():
            server = None
        else:
            server.start()
    try:
        prepare(settings)
        parts = open_parts(settings)
        try:
            yield parts
        finally:
            close_parts(parts)
    finally:
        if server is not None:
            server.stop()


def require_home(settings: Settings) -> None:
    """For commands about a city that is there: a wrong `--home` makes no empty city. Raises NotFound `kernel.no_city`."""
    if not is_there(settings):
        raise NotFound("kernel.no_city", home=str(settings.home))


def is_there(settings: Settings) -> bool:
    """Whether there is a city, running or not: on a database of its operator, or in this home."""
    return bool(settings.database_url) or (settings.secrets / "database_admin").exists()


def database_answers(settings: Settings) -> bool:
    """Whether the database takes connections now."""
    try:
        psycopg.connect(admin_url(settings), connect_timeout=3).close()
    except psycopg.OperationalError:
        return False
    return True
