"""Every setting, declared once: name, type, default and the words that docs/reference/settings.md prints."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from cityloom.kernel.errors import Invalid

PREFIX = "CITYLOOM_"


def default_home() -> Path:
    """Where a city lives when nobody says otherwise: the system's state folder for root, else the user's."""
    if os.geteuid() == 0:
        return Path("/var/lib/cityloom/home")
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share") / "cityloom"


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The settings of one city; each is read from the environment as CITYLOOM_<NAME>."""

    home: Annotated[
        Path, Meta(description="Folder of this city: secrets, spool, audit files, and by default database and lake.")
    ] = msgspec.field(default_factory=default_home)
    database_url: Annotated[
        str,
        Meta(
            description="A PostgreSQL 16 or later to use, as a URL of a role that may create roles and schemas. "
            "Empty: a server of our own in the home folder, on a private socket."
        ),
    ] = ""
    lake_path: Annotated[
        str, Meta(description="Where the lake's Parquet files go: a folder, or s3://bucket/prefix. Empty: home/lake.")
    ] = ""
    s3_endpoint: Annotated[str, Meta(description="Host and port of an S3-compatible store; empty for AWS.")] = ""
    s3_region: Annotated[str, Meta(description="Region of the S3 store.")] = "us-east-1"
    s3_key_id: Annotated[str, Meta(description="Access key id of the S3 store.")] = ""
    s3_secret: Annotated[str, Meta(description="Secret key of the S3 store.")] = ""
    s3_use_ssl: Annotated[bool, Meta(description="Whether the S3 store is spoken to over TLS.")] = True
    lake_memory_mib: Annotated[int, Meta(description="Memory limit of DuckDB in each process, in MiB.", ge=256)] = 1536
    lake_threads: Annotated[int, Meta(description="Threads of DuckDB in each process; 0: one per core.", ge=0)] = 0
    packs: Annotated[
        str, Meta(description="Folders of packs beside the shipped ones, separated by colons; later ones win.")
    ] = ""
    city: Annotated[str, Meta(description="Name of the city pack.")] = "shenzhen"
    host: Annotated[str, Meta(description="Address the HTTP door listens on.")] = "127.0.0.1"
    port: Annotated[int, Meta(description="Port of the HTTP door.", ge=0, le=65535)] = 8440
    gateway_host: Annotated[
        str,
        Meta(description="Address the gateways of devices listen on, at the ports that the packs say; empty: none do."),
    ] = ""
    gateway_ports: Annotated[
        str,
        Meta(
            description="Ports of gateways that shall be other than the packs say: protocol=port, separated by commas, "
            "such as hj212=9212,sl651=9651."
        ),
    ] = ""
    gateway_certificate: Annotated[
        str,
        Meta(
            description="File of the certificate chain (PEM) with which the MQTT door speaks TLS; empty: it does not."
        ),
    ] = ""
    gateway_key: Annotated[str, Meta(description="File of its private key; empty: it is in the same file.")] = ""
    mqtt_broker: Annotated[
        str,
        Meta(
            description="The city's MQTT broker, as mqtt://user:password@host:1883 or mqtts://host:8883?ca=file; empty: none. "
            "Options: client, group, level (4: MQTT 3.1.1), ca, cert, key, insecure."
        ),
    ] = ""
    mqtt_workers: Annotated[
        int, Meta(description="Processes that divide the messages of the broker among them.", ge=1, le=4)
    ] = 1
    web_workers: Annotated[int, Meta(description="Processes that serve HTTP.", ge=1)] = 1
    job_workers: Annotated[int, Meta(description="Processes that do queued and timed work.", ge=1)] = 1
    inline_mib: Annotated[
        int,
        Meta(description="Deliveries up to this size are checked while the sender waits; larger ones get 202.", ge=0),
    ] = 16
    delivery_max_mib: Annotated[int, Meta(description="Largest delivery that is accepted.", ge=1)] = 16384
    pull_allowed: Annotated[
        str,
        Meta(
            description="Hosts and networks (10.1.0.0/16) that pulls over HTTP may reach although they are not public, "
            "separated by commas."
        ),
    ] = ""
    webhook_allowed: Annotated[
        str,
        Meta(
            description="Hosts and networks that change rows may be sent to although they are not public, separated by "
            "commas; plain http is taken only to what is named here."
        ),
    ] = ""
    trusted_proxies: Annotated[
        str,
        Meta(
            description="Networks of reverse proxies, separated by commas: what they say of a caller's address "
            "(X-Forwarded-For) and client certificate (Client-Cert) is believed."
        ),
    ] = "127.0.0.0/8,::1"
    language: Annotated[str, Meta(description="Language of messages when the caller names none: zh or en.")] = "zh"
    public_url: Annotated[str, Meta(description="Address under which callers reach the city, for links.")] = ""
    secure_cookies: Annotated[bool, Meta(description="Send session cookies over TLS only.")] = True
    log_level: Annotated[str, Meta(description="debug, info, warning or error.")] = "info"
    notice_days: Annotated[
        int,
        Meta(description="Days between the announcement of a breaking change in the catalogue and its effect.", ge=0),
    ] = 10
    catalogue: Annotated[
        str, Meta(description="Name of this catalogue in reports to other catalogues; the city pack's name if empty.")
    ] = ""
    min_free_mib: Annotated[
        int,
        Meta(description="New deliveries are refused below this much free disk, so that accepted ones can end.", ge=0),
    ] = 1024
    log_days: Annotated[
        int,
        Meta(
            description="Days that logs are kept in home/logs. Fewer than six months may not be chosen "
            "(网络安全法, art. 21), and six months have up to 184 days.",
            ge=184,
        ),
    ] = 184
    alarm_limits: Annotated[
        str,
        Meta(
            description="Limits of gauges that shall be other than they are: name=warning:alarm, separated by commas, "
            "such as exchange.waiting=120:600; `cityloom status` shows names, units and limits."
        ),
    ] = ""

    @property
    def secrets(self) -> Path:
        """Folder of keys and passwords, readable by the owner only."""
        return self.home / "secrets"

    @property
    def spool(self) -> Path:
        """Folder of bytes that arrived and are not yet decided."""
        return self.home / "spool"

    @property
    def audit_files(self) -> Path:
        """Folder of the audit log's leaves and signed heads."""
        return self.home / "audit"

    @property
    def logs(self) -> Path:
        """Folder of the logs of past and present days."""
        return self.home / "logs"

    @property
    def lake_files(self) -> str:
        """Where the lake's files are: a folder's path or an s3:// prefix, without a final slash."""
        return (self.lake_path or str(self.home / "lake")).rstrip("/")


def load(environment: Mapping[str, str] = os.environ, **overrides: Any) -> Settings:
    """Read the settings from the environment; `overrides` (from the command line) win.

    Raises Invalid `kernel.setting_wrong` naming the variable.
    """
    values: dict[str, Any] = {}
    for field in msgspec.structs.fields(Settings):
        text = environment.get(PREFIX + field.name.upper())
        if text is not None:
            values[field.name] = text
    values.update({name: value for name, value in overrides.items() if value is not None})
    try:
        return msgspec.convert(values, Settings, strict=False, dec_hook=_decode)
    except msgspec.ValidationError as error:
        raise Invalid("kernel.setting_wrong", reason=str(error)) from error


def _decode(kind: type, value: Any) -> Any:
    if kind is Path:
        return Path(value).expanduser().absolute()
    raise NotImplementedError(f"settings of type {kind}")


def environment(settings: Settings) -> dict[str, str]:
    """The settings as environment variables, to hand them to a child process."""
    found: dict[str, str] = {}
    for field in msgspec.structs.fields(Settings):
        value = getattr(settings, field.name)
        found[PREFIX + field.name.upper()] = str(value).lower() if isinstance(value, bool) else str(value)
    return found
