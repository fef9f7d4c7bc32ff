"""What an operator reads of imports, and decides about those that wait."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path

import pytest
import structlog
from typer.testing import CliRunner, Result

from ingester.cli.app import app
from ingester.domain.errors import ConfigurationError
from ingester.domain.status import Status
from ingester.feed import declare
from ingester.store.tenant import Tenants
from tests.integration.engine.harness import SHOP, Engine
from tests.zipped import zipped

Command = Callable[..., str]
FOLDER = Path(__file__).parent.parent / "integration" / "engine" / "shop"
ITEMS = "external_id,label\nA,Alpha\nB,Beta\n"


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """A customer with a feed whose files start at night."""
    engine = Engine(tmp_path / "data", SHOP)
    engine.add_tenant()
    tenants = Tenants(engine.ledger)
    night = declare(name="night", entity="item", pattern="night_*", schedule="30 2 * * *")
    tenants.add_feed(night.feed(tenants.get("acme"), engine.rules))
    yield engine
    engine.close()


@pytest.fixture
def command(engine: Engine, tmp_path: Path) -> Command:
    config = tmp_path / "ingester.toml"
    config.write_text(f'data_dir = "{engine.directory.root}"\nrules_dirs = ["{FOLDER}"]\n')

    def run(*words: str) -> str:
        result: Result = CliRunner().invoke(app, ["--config", str(config), *words])
        structlog.reset_defaults()
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == 0, result.output
        return result.stdout

    return run


def test_a_completed_import_is_shown_with_what_it_did(engine: Engine, command: Command) -> None:
    report = engine.take("items.csv", ITEMS)
    document = json.loads(command("imports", "show", report.status["short_id"], "--json"))
    assert {name: document[name] for name in report.status} == report.status
    assert document["phases"]
    assert "rows: 2 created, 0 updated, 0 unchanged" in command("imports", "show", report.status["short_id"])
    # Its customer may have taken the report away; what the ledger keeps is shown all the same.
    for path in engine.directory.tenant("acme").outbox.glob("*.status.json"):
        path.unlink()
    document = json.loads(command("imports", "show", report.status["short_id"], "--json"))
    assert document["stats"]["created_count"] == 2


def test_one_that_waits_is_listed_with_what_it_waits_for_and_starts_when_it_is_told(
    engine: Engine, command: Command
) -> None:
    job = engine.drop("night_1.csv", ITEMS)
    behind = engine.drop("night_2.csv", ITEMS)
    (last, first) = json.loads(command("imports", "list", "--json"))
    assert (first["reason"], first["message"][:24]) == ("waits_for_its_time", "It does not start before")
    assert last["reason"] == "waits_for_its_time"
    assert "waits_for_its_time" in "".join(command("imports", "list").split())
    assert "It does not start before" in command("imports", "show", job.short_id)
    command("imports", "start", job.short_id)
    command("imports", "start", behind.short_id)
    assert "waits_for_its_turn" in command("imports", "show", behind.short_id)
    assert engine.work() == 2


def test_settings_before_the_command_hold_for_any(command: Command) -> None:
    assert "acme" in command("tenant", "list")
    with pytest.raises(ConfigurationError, match="does not exist"):
        command("--config", "/nowhere/ingester.toml", "tenant", "list")
    assert command("--version") == f"ingester {metadata.version('ingester')}\n"


def test_an_archive_is_shown_with_its_files_canceled_as_a_whole_and_its_failures_are_tried_again(
    engine: Engine, command: Command
) -> None:
    files = {"night_1.csv": ITEMS, "stuff.csv": ITEMS}
    job = engine.drop("all.zip", zipped(files))
    engine.work()
    shown = command("imports", "show", job.short_id)
    assert "message: 1 of 2 files are done" in shown
    assert "stuff.csv, ?, failed unknown_entity" in shown
    assert "night_1.csv, item, queued" in shown
    (listed,) = [each for each in json.loads(command("imports", "list", "--json")) if each["id"] == job.id]
    assert [each["name"] for each in listed["members"]] == ["night_1.csv", "stuff.csv"]
    assert "all.zip.stuff" in command("imports", "list")
    command("imports", "cancel", job.short_id)
    assert engine.job(job).status is Status.FAILED
    tenants = Tenants(engine.ledger)
    tenants.add_feed(declare(name="stuff", entity="item", pattern="stuff*").feed(tenants.get("acme"), engine.rules))
    assert "1 files are queued again" in command("imports", "retry", job.short_id)
    engine.work()
    assert engine.report(job).status["outcome"] == "partial"
