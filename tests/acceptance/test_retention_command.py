"""Retention as an operator works with it: periods, holds, what would go, what went, and the purge of a customer."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import structlog
from sqlalchemy import update
from typer.testing import CliRunner, Result

from ingester.cli.app import app
from ingester.domain.errors import UsageError
from ingester.store.database import now
from ingester.store.ledger_tables import Import
from tests.integration.engine.harness import SHOP, Engine

Command = Callable[..., str]


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """A data directory in which a customer's import ended a hundred days ago."""
    engine = Engine(tmp_path / "data", SHOP)
    engine.add_tenant()
    engine.take("items.csv", "external_id,label\nA,Alpha\n")
    with engine.ledger.writing() as session:
        session.exec(update(Import).values(completed_at=(then := now() - timedelta(days=100))))
    (day,) = engine.directory.tenant("acme").archive.iterdir()
    day.rename(day.with_name(f"{then:%Y-%m-%d}"))
    yield engine
    engine.close()


@pytest.fixture
def command(engine: Engine) -> Command:
    def run(*words: str) -> str:
        result: Result = CliRunner().invoke(app, [*words, "--data-dir", str(engine.directory.root)])
        structlog.reset_defaults()
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == 0, result.output
        return result.stdout

    return run


def test_periods_are_set_shown_and_obeyed(engine: Engine, command: Command) -> None:
    outbox = engine.directory.tenant("acme").outbox
    said = command("retention", "set", "acme", "--archive", "30", "--outbox", "forever", "--history", "default")
    assert said == "'acme' keeps archive 30 days, outbox forever, history forever\n"
    found = json.loads(command("retention", "show", "acme", "--json"))
    assert found["archive"] == {"days": 30, "own": True}
    assert found["outbox"] == {"days": None, "own": True}
    assert found["quarantine"] == {"days": None, "own": False}
    assert "30*" in command("retention", "show")
    assert "1 files of 26 bytes would be removed" in command("retention", "run", "--dry-run")
    assert len(list(engine.directory.tenant("acme").archive.rglob("items.csv.*"))) == 1
    run = json.loads(command("retention", "run", "--json"))
    assert (run["files"], run["removed"][0]["what"], run["removed"][0]["policy"]) == (1, "items.csv", "archive 30 days")
    assert not list(engine.directory.tenant("acme").archive.iterdir())
    assert len(list(outbox.iterdir())) == 1
    assert "items.csv" in command("retention", "log", "acme")
    assert json.loads(command("retention", "log", "--json"))[0]["import_id"] == run["removed"][0]["import_id"]


def test_the_settings_hold_where_a_tenant_says_nothing(
    engine: Engine, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INGESTER_RETENTION__OUTBOX_DAYS", "99")
    assert command("retention", "run", "--tenant", "acme").endswith(" removed\n")
    assert not list(engine.directory.tenant("acme").outbox.iterdir())


def test_a_hold_keeps_everything_until_it_is_released(engine: Engine, command: Command) -> None:
    ((job, _),) = engine.ledger.imports()
    command("retention", "set", "acme", "--archive", "1")
    assert "import" in command("retention", "hold", "acme", "--import", job.short_id, "--reason", "case 4711")
    assert command("retention", "run").startswith("0 files")
    assert "1 imports" in command("retention", "show")
    command("retention", "hold", "acme", "--reason", "case 4712")
    assert "case 4712" in command("retention", "show", "acme")
    assert "is under legal hold" in command("tenant", "purge", "acme")
    with pytest.raises(UsageError, match="under legal hold"):
        command("tenant", "purge", "acme", "--yes")
    command("retention", "release", "acme")
    command("retention", "release", "acme", "--import", job.short_id)
    with pytest.raises(UsageError, match="not under legal hold"):
        command("retention", "release", "acme")
    assert command("retention", "run").splitlines()[-1].startswith("1 files")


@pytest.mark.parametrize("days", ["-1", "1.5", "soon", "99999999", "٣"])
def test_odd_periods_are_refused(command: Command, days: str) -> None:
    with pytest.raises(UsageError, match="forever"):
        command("retention", "set", "acme", f"--archive={days}")


def test_a_purge_tells_first_and_does_it_when_it_is_told_to(engine: Engine, command: Command) -> None:
    told = command("tenant", "purge", "acme")
    assert re.search(r"^\d+ files of [\d,]+ bytes, 1 drops, 1 imports$", told, re.MULTILINE)
    assert "1 rows of shop__item" in told
    assert told.endswith("ingester tenant purge acme --yes\n")
    assert len(engine.rows("item")) == 1
    assert json.loads(command("tenant", "purge", "acme", "--yes", "--json"))["rows"]["import_outcomes"] == 1
    assert engine.rows("item") == []
    assert not engine.directory.tenant("acme").root.exists()
    assert "purged" in command("retention", "log", "acme")


def test_how_files_are_complete_is_said_for_a_tenant(command: Command) -> None:
    assert "stable (as the settings say)" in command("tenant", "inbox", "acme")
    assert "complete on marker" in command("tenant", "inbox", "acme", "--complete-on", "marker")
    with pytest.raises(UsageError, match="close, rename, stable, marker, default"):
        command("tenant", "inbox", "acme", "--complete-on", "luck")
    assert "stable" in command("tenant", "inbox", "acme", "--complete-on", "default")


def test_what_was_decided_about_keeping_is_recorded_with_what_was_removed(command: Command) -> None:
    command("retention", "set", "acme", "--archive", "30", "--outbox", "default")
    command("retention", "hold", "acme", "--reason", "case 4711")
    command("retention", "release", "acme")
    found = json.loads(command("retention", "log", "acme", "--json"))
    assert [(each["place"], each["what"], each["policy"]) for each in reversed(found)] == [
        ("periods", "archive 30 days, outbox as the service says", "decision"),
        ("hold", "placed: case 4711", "decision"),
        ("hold", "released", "decision"),
    ]


def test_a_customer_that_never_was_is_an_error_and_no_empty_list(command: Command) -> None:
    for words in (["retention", "log"], ["notify", "list"], ["notify", "log"], ["imports", "list", "--tenant"]):
        with pytest.raises(UsageError, match="there is no tenant 'ghost'"):
            command(*words, "ghost")
