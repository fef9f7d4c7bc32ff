"""Settings: one frozen model per concern. Flags win over `INGESTER_*`, that over the TOML file, that over defaults.

A setting may also be a credential of systemd (`LoadCredential=ingester_database_url`), which only the service can read;
it wins over the TOML file.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from ingester.domain.errors import ConfigurationError


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


class FolderSettings(BaseModel):
    """The watch on the tenants' physical inbox folders."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    #: Events are hints; a full look happens this often.
    rescan_seconds: float = Field(default=2.0, gt=0)
    #: A file is complete when its size and time have not changed for this long.
    settle_seconds: float = Field(default=1.0, ge=0)


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
    folder: FolderSettings = FolderSettings()
    worker: WorkerSettings = WorkerSettings()

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
            f"{'.'.join(str(part) for part in mistake['loc'])}: {mistake['msg']}" for mistake in error.errors()
        )
        raise ConfigurationError(f"wrong settings: {mistakes}", fix="See `ingester up --help`.") from error
    except ValueError as error:
        raise ConfigurationError(f"the configuration file {config} is not TOML: {error}") from error
