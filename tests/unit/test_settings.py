"""Settings: flags win over the environment, that over the file, that over defaults; every mistake is named."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ingester.domain.errors import ConfigurationError
from ingester.settings import load


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("INGESTER_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "ingester.toml"
    path.write_text('data_dir = "from-file"\nlog_level = "DEBUG"\n[sftp]\nport = 3333\nhost = "0.0.0.0"\n')
    return path


def test_without_anything_defaults_hold() -> None:
    found = load()
    assert (found.data_dir, found.sftp.host, found.sftp.port) == (Path("ingester-data"), "127.0.0.1", 2222)
    assert found.data_url == f"sqlite:///{Path('ingester-data').absolute() / 'ingester.db'}"
    assert found.ledger_url.endswith("/ingester-data/ledger.db")


def test_flags_win_over_the_environment_over_the_file_over_defaults(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INGESTER_DATA_DIR", "from-environment")
    monkeypatch.setenv("INGESTER_SFTP__PORT", "4444")
    found = load(config, sftp={"host": "::1"})
    assert found.data_dir == Path("from-environment")
    assert (found.sftp.host, found.sftp.port) == ("::1", 4444)
    assert found.log_level == "DEBUG"
    assert found.worker.processes == 2
    assert load(config, data_dir=Path("from-flag")).data_dir == Path("from-flag")


def test_one_flag_of_a_group_leaves_the_others_to_the_file(config: Path) -> None:
    assert load(config, sftp={"host": "::1"}).sftp.port == 3333


def test_rule_folders_are_listed_as_in_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INGESTER_RULES_DIRS", os.pathsep.join(["/a", "", "/b c"]))
    assert load().rules_dirs == (Path("/a"), Path("/b c"))


def test_rule_folders_of_a_file_are_a_list(config: Path) -> None:
    config.write_text('rules_dirs = ["/a", "/b"]\n')
    assert load(config).rules_dirs == (Path("/a"), Path("/b"))


def test_another_sqlite_file_is_for_the_data_and_never_for_the_ledger(tmp_path: Path) -> None:
    found = load(data_dir=tmp_path, database_url="sqlite:////elsewhere.db")
    assert found.data_url == "sqlite:////elsewhere.db"
    assert found.ledger_url == f"sqlite:///{tmp_path / 'ledger.db'}"


def test_on_postgresql_the_ledger_and_the_data_share_the_one_database(tmp_path: Path) -> None:
    found = load(data_dir=tmp_path, database_url="postgresql+psycopg://ingester@db/ingester")
    assert found.ledger_url == found.data_url == "postgresql+psycopg://ingester@db/ingester"


def test_every_mistake_is_named_at_once(config: Path) -> None:
    config.write_text('colour = "red"\nlog_level = "LOUD"\n[sftp]\nport = 99999\nprot = 22\n')
    with pytest.raises(ConfigurationError) as caught:
        load(config)
    for key in ("colour", "log_level", "sftp.port", "sftp.prot"):
        assert key in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_misspelt_group_in_the_environment_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INGESTER_SFTP__PROT", "22")
    with pytest.raises(ConfigurationError, match=r"sftp\.prot"):
        load()


def test_a_file_that_is_missing_or_is_no_toml_is_named(tmp_path: Path, config: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"nowhere\.toml does not exist"):
        load(tmp_path / "nowhere.toml")
    config.write_text("data_dir = \n")
    with pytest.raises(ConfigurationError, match=r"ingester\.toml is not TOML"):
        load(config)


def test_networks_are_listed_with_commas_in_the_environment_and_as_a_list_in_a_file(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config.write_text('[notify]\nallow_networks = ["10.1.0.0/16"]\n')
    assert [str(each) for each in load(config).notify.allow_networks] == ["10.1.0.0/16"]
    monkeypatch.setenv("INGESTER_NOTIFY__ALLOW_NETWORKS", "10.2.0.0/16, fd00::/8")
    assert [str(each) for each in load(config).notify.allow_networks] == ["10.2.0.0/16", "fd00::/8"]
    monkeypatch.setenv("INGESTER_NOTIFY__ALLOW_NETWORKS", "10.2.0.1/16")
    with pytest.raises(ConfigurationError, match=r"notify\.allow_networks"):
        load(config)


def test_a_password_is_in_no_text_about_the_settings(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INGESTER_SMTP__PASSWORD", "s3cret")
    found = load()
    assert found.smtp.password is not None
    assert found.smtp.password.get_secret_value() == "s3cret"
    assert "s3cret" not in f"{found} {found!r}"
    monkeypatch.setenv("INGESTER_SMTP__SECURITY", "none")
    with pytest.raises(ConfigurationError) as caught:
        load()
    assert "s3cret" not in str(caught.value)


def test_settings_do_not_change() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load().sftp.port = 1  # type: ignore[misc]  # that is the test


def test_a_credential_of_systemd_wins_over_the_file_and_gives_way_to_the_environment(
    tmp_path: Path, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "credentials"
    folder.mkdir()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(folder))
    assert load(config).database_url == ""
    (folder / "ingester_database_url").write_text("postgresql+psycopg://from-a-credential/x\n")
    (folder / "ingester_log_level").write_text("ERROR\n")
    (folder / "of_something_else").write_text("hands off")
    found = load(config)
    assert found.database_url == found.ledger_url == "postgresql+psycopg://from-a-credential/x"
    assert found.log_level == "ERROR"
    monkeypatch.setenv("INGESTER_LOG_LEVEL", "WARNING")
    assert load(config).log_level == "WARNING"


def test_a_folder_of_credentials_that_cannot_be_read_holds_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As systemd leaves it where a credential that a unit could have does not exist."""
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    monkeypatch.setattr(os, "access", lambda *_: False)
    (tmp_path / "ingester_log_level").write_text("ERROR")
    assert load().log_level == "INFO"
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "gone"))
    assert load().log_level == "INFO"
