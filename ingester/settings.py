"""Settings: one frozen model per concern. Flags win over `INGESTER_*`, that over the TOML file, that over defaults.

A setting may also be a credential of systemd (`LoadCredential=ingester_database_url`), which only the service can read;
it wins over the TOML file.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    IPvAnyNetwork,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from ingester.domain.companion import MARKER_SUFFIXES
from ingester.domain.errors import ConfigurationError
from ingester.domain.limits import Limits
from ingester.domain.name import is_unfinished
from ingester.domain.status import CompleteOn


class SftpSettings(BaseModel):
    """The SFTP listener."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    #: Address to listen on; only this machine unless told otherwise.
    host: str = "127.0.0.1"
    port: int = Field(default=2222, ge=0, le=65535)
    #: Largest upload, in bytes.
    max_upload_bytes: int = Field(default=10 * 2**30, gt=0)
    #: How long a drop stays listed after its import ended, if the session that uploaded it never says goodbye.
    visible_grace_seconds: float = Field(default=60.0, ge=0)


class HttpSettings(BaseModel):
    """The operators' HTTP listener: metrics and health."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    #: Address to listen on. It asks nobody who he is: only this machine unless told otherwise.
    host: str = "127.0.0.1"
    #: 8080 of the whole service, of its roles as `ingester.role` says; 0 takes a free one.
    port: int | None = Field(default=None, ge=0, le=65535)
    #: So many tenants, those that were added first, have series of their own in the metrics; all others are one.
    metric_tenants: int = Field(default=200, ge=0, le=10_000)
    #: With less room on disk, in bytes, the service says that it is not ready.
    min_free_bytes: int = Field(default=512 * 2**20, ge=0)


class FolderSettings(BaseModel):
    """The watch on the tenants' physical inbox folders."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    #: How a file shows that its writer is done, where neither its feed nor its tenant says otherwise.
    complete_on: CompleteOn = CompleteOn.STABLE
    #: A file is stable when its size and times have not changed for this long.
    settle_seconds: float = Field(default=1.0, ge=0)
    #: What a done-marker's name adds to that of its file.
    marker_suffixes: tuple[str, ...] = MARKER_SUFFIXES
    #: A done-marker that has lain for so long without its file raises an alert.
    marker_seconds: float = Field(default=3600.0, ge=0)
    #: Whether the kernel is asked for events; network filesystems have none and are polled in any case.
    events: bool = True
    #: Events are hints; a full look happens this often.
    rescan_seconds: float = Field(default=30.0, gt=0)
    #: Where there are no events, this often.
    poll_seconds: float = Field(default=2.0, gt=0)

    @field_validator("marker_suffixes")
    @classmethod
    def _suffixes(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        odd = [suffix for suffix in value if len(suffix) < 2 or "/" in suffix or is_unfinished(f"x{suffix}")]
        if odd or not value:
            raise ValueError(f"{', '.join(map(repr, odd)) or 'none'}: not the end of a done-marker's name")
        return value


class RetentionSettings(BaseModel):
    """For how many days what is kept; without a number, for ever. Tenants may have their own."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    #: Originals of imports that have ended.
    archive_days: int | None = Field(default=None, ge=0)
    #: Status files and reports.
    outbox_days: int | None = Field(default=None, ge=0)
    #: Files whose import failed; afterwards it can no longer be tried again.
    quarantine_days: int | None = Field(default=None, ge=0)
    #: What the ledger knows of imports that have ended.
    history_days: int | None = Field(default=None, ge=0)
    #: What nobody knows or needs any more in the spool, such as a crash may leave.
    spool_days: int = Field(default=7, ge=1)
    #: The record of what was removed.
    removals_days: int = Field(default=730, ge=1)


class S3Settings(BaseModel):
    """The watch on buckets; which ones, the ledger knows."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    #: How often the ledger is asked which S3 inboxes there are.
    look_seconds: float = Field(default=5.0, gt=0)
    #: Inboxes that are worked on at once, all tenants together.
    connections: int = Field(default=4, ge=1, le=64)
    #: Largest object that is fetched, in bytes; larger ones stay where they are and are logged.
    max_object_bytes: int = Field(default=10 * 2**30, gt=0)


class WorkerSettings(BaseModel):
    """The processes that run imports."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    processes: int = Field(default=2, ge=1, le=64)
    #: A sleeping worker looks at the queue this often even if nobody wakes it.
    poll_seconds: float = Field(default=5.0, gt=0)
    #: An import whose attempts ended without a result this often is quarantined.
    max_attempts: int = Field(default=5, ge=1)
    #: An import that takes longer is given up, unless its feed says otherwise.
    time_limit_seconds: int = Field(default=6 * 3600, ge=1)
    #: How many imports may run at once on all machines together; as many as there are workers when empty.
    at_once: int | None = Field(default=None, ge=1)
    #: Largest block of a file that is parsed at once, in bytes; memory follows it.
    block_bytes: int = Field(default=8 * 2**20, ge=2**16)


class SmtpSettings(BaseModel):
    """The server that mail leaves through; no mail is sent without one."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    host: str = ""
    port: int = Field(default=587, ge=1, le=65535)
    #: `starttls`, `tls` from the first byte on (port 465), or `none`, which refuses to send a password.
    security: Literal["starttls", "tls", "none"] = "starttls"
    username: str = ""
    password: SecretStr | None = None
    #: Read for every message, so that it can change.
    password_file: Path | None = None
    #: The address that mail comes from.
    sender: str = ""
    timeout_seconds: float = Field(default=10.0, gt=0, le=60)

    @model_validator(mode="after")
    def _safe(self) -> Self:
        if self.security == "none" and (self.password is not None or self.password_file is not None):
            raise ValueError("a password is sent with security starttls or tls only")
        return self


class NotifySettings(BaseModel):
    """How notifications are delivered."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    #: Messages to one target in a minute; what is more is told in one summary.
    per_minute: int = Field(default=10, ge=1)
    #: For how long a notification is tried.
    give_up_hours: float = Field(default=24.0, gt=0)
    #: Networks beside the public internet that webhooks and chat may reach, as 10.1.0.0/16.
    allow_networks: Annotated[tuple[IPvAnyNetwork, ...], NoDecode] = ()
    #: Whether a webhook may be sent without TLS.
    allow_http: bool = False
    #: Certificate authorities to trust beside those of the system, as PEM.
    ca_file: Path | None = None

    @field_validator("allow_networks", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        """An environment variable lists them with commas."""
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


class Settings(BaseSettings):
    """Everything an operator can set. Nested values are written `INGESTER_SFTP__PORT` or `[sftp] port` in TOML."""

    model_config = SettingsConfigDict(env_prefix="INGESTER_", env_nested_delimiter="__", frozen=True, extra="forbid")
    data_dir: Path = Path("ingester-data")
    #: `sqlite:///PATH` or `postgresql+psycopg://USER@HOST/DATABASE`; `sqlite:///<data_dir>/ingester.db` when empty.
    database_url: str = ""
    #: Folders of rule files beside the shipped ones, each a catalogue named after its folder.
    rules_dirs: Annotated[tuple[Path, ...], NoDecode] = ()
    #: `json` for machines, `console` for people; `auto` asks whether standard error is a terminal.
    log_format: str = Field(default="auto", pattern="^(auto|json|console)$")
    log_level: str = Field(default="INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$")
    sftp: SftpSettings = SftpSettings()
    http: HttpSettings = HttpSettings()
    folder: FolderSettings = FolderSettings()
    s3: S3Settings = S3Settings()
    worker: WorkerSettings = WorkerSettings()
    #: How much a file may be, and what comes out of it.
    limits: Limits = Limits()
    smtp: SmtpSettings = SmtpSettings()
    notify: NotifySettings = NotifySettings()
    retention: RetentionSettings = RetentionSettings()

    @property
    def ledger_url(self) -> str:
        """The ledger's database: PostgreSQL's one, but a file of its own on SQLite: landing never waits for a merge."""
        if self.database_url.startswith("postgresql"):
            return self.database_url
        return f"sqlite:///{self.data_dir.absolute() / 'ledger.db'}"

    @property
    def data_url(self) -> str:
        """The database of entity tables and outcomes."""
        return self.database_url or f"sqlite:///{self.data_dir.absolute() / 'ingester.db'}"

    @field_validator("rules_dirs", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        """An environment variable lists folders as PATH does."""
        if isinstance(value, str):
            return tuple(Path(part) for part in value.split(os.pathsep) if part)
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags, then environment, then credentials, then the file given with --config; no .env file is ever read."""
        del dotenv_settings, file_secret_settings
        return init_settings, env_settings, *_credentials(settings_cls), TomlConfigSettingsSource(settings_cls)


def _credentials(settings_cls: type[BaseSettings]) -> tuple[PydanticBaseSettingsSource, ...]:
    """What systemd hands over in files named as the variables are. Where it has none, its folder may be unreadable."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY", "")
    readable = folder and os.access(folder, os.R_OK | os.X_OK)
    return (SecretsSettingsSource(settings_cls, secrets_dir=folder),) if readable else ()


def load(config: Path | None = None, **flags: Any) -> Settings:
    """The settings in force. `flags` hold only what was given; ConfigurationError names every bad key at once."""
    if config is not None and not config.is_file():
        raise ConfigurationError(f"the configuration file {config} does not exist", fix="Check --config.")

    class FromFile(Settings):
        model_config = SettingsConfigDict(toml_file=config)

    try:
        return Settings(**FromFile(**flags).model_dump())
    except ValidationError as error:
        mistakes = "; ".join(
            f"{'.'.join(str(part) for part in mistake['loc'])}: {mistake['msg'].removeprefix('Value error, ')}"
            for mistake in error.errors()
        )
        raise ConfigurationError(f"wrong settings: {mistakes}", fix="See `ingester up --help`.") from error
    except ValueError as error:
        raise ConfigurationError(f"the configuration file {config} is not TOML: {error}") from error
