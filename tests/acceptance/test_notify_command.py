"""Expectations, alerts and notifications as an operator handles them, and a real service that tells of a real drop."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import shlex
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from ingester.cli.app import app
from ingester.domain.errors import IngesterError
from ingester.expectation.words import Expects
from ingester.notify.event import Event
from ingester.settings import NotifySettings, SmtpSettings
from tests.receiver import Receiver
from tests.service import Service

CRM = """
tenant: acme
feeds:
  - name: crm
    entity: customer
    pattern: crm_*
    expects: {by: 14:30, days: mon-fri, grace: 30m, min_rows: 100, shrink: 50, holidays: NO}
"""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    running = Receiver().start()
    yield running
    running.stop()


SETTINGS = {"INGESTER_NOTIFY__ALLOW_NETWORKS": "127.0.0.0/8", "INGESTER_NOTIFY__ALLOW_HTTP": "true"}


@dataclass
class Site:
    """A data directory, and commands run on it in this process, which is quicker."""

    data_dir: Path

    def run(self, *command: str | Path) -> str:
        done = CliRunner().invoke(app, list(map(str, command)), catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.stdout

    def refused(self, *command: str | Path) -> str:
        """Why a command did nothing."""
        with pytest.raises(IngesterError) as caught:
            self.run(*command)
        return str(caught.value)

    def listed(self, *command: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.run(*command, "--json"))
        return found


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A site with the tenant `acme`, whose webhooks may go to this machine."""
    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("INGESTER_DATA_DIR", str(tmp_path / "data"))
    site = Site(tmp_path / "data")
    site.run("tenant", "add", "acme", "--catalogue", "field_service")
    return site


def test_what_a_feed_expects_is_said_in_a_file_or_by_options_and_listed(site: Site, tmp_path: Path) -> None:
    file = tmp_path / "acme.yaml"
    file.write_text(CRM)
    site.run("feed", "apply", file)
    site.run(
        *("feed", "add", "acme", "by_options", "--entity", "customer", "--pattern", "x_*", "--expect-by", "14:30"),
        *("--expect-days", "mon-fri", "--expect-grace", "30m", "--expect-rows", "100", "--expect-shrink", "50"),
        *("--holidays", "NO"),
    )
    crm, by_options = site.listed("feed", "list", "acme")
    assert crm["expects"] == by_options["expects"] == {
        "by": "14:30", "days": "mon-fri", "grace": "30m", "min_rows": 100, "shrink": 50, "holidays": "NO",
    }  # fmt: skip
    assert crm["next_due_at"].endswith("T14:30:00.000Z")
    assert crm["alerts"] == []
    file.write_text(site.run("feed", "list", "acme", "--json"))
    assert "are as acme.yaml says" in site.run("feed", "apply", file, "--tenant", "acme")
    for wrong, said in (("by: noon", "expects.by"), ("cron: 0 0 30 2 *", "no drop would ever be due")):
        file.write_text(f"[{{name: a, entity: customer, pattern: '*', expects: {{{wrong}}}}}]")
        assert said in site.refused("feed", "apply", file, "--tenant", "acme")


def test_what_the_readme_shows_works(site: Site) -> None:
    text = (Path(__file__).parents[2] / "README.md").read_text()
    sections = [text.split(f"## {name}\n")[1].split("\n## ")[0] for name in ("Expectations", "Notifications")]
    blocks = [block for section in sections for block in section.split("```")[1::2]]
    commands = [line for block in blocks for line in block.replace("\\\n", " ").splitlines() if line.strip()]
    assert len(commands) == 6
    for command in commands:
        program, *words = shlex.split(command)
        assert program == "ingester"
        if words[:2] != ["notify", "test"]:  # that needs a mail server
            site.run(*words)
    (crm,) = site.listed("feed", "list", "acme")
    said = re.search(r"`expects: ({.*})`", sections[0])
    assert said is not None
    assert yaml.safe_load(said[1]) == crm["expects"]
    assert len(site.listed("notify", "list", "acme")) == 4


def test_every_event_word_and_setting_is_in_the_readme() -> None:
    text = (Path(__file__).parents[2] / "README.md").read_text()
    words = [*Event, *Expects.model_fields]
    words += [f"notify.{name}" for name in NotifySettings.model_fields]
    words += [f"smtp.{name}" for name in SmtpSettings.model_fields]
    assert not [word for word in words if f"`{word}`" not in text]


def test_targets_are_added_listed_tested_and_removed_without_showing_a_secret(site: Site, receiver: Receiver) -> None:
    url = f"http://127.0.0.1:{receiver.port}/t0ken"
    added = site.run("notify", "add", "acme", "hook", "--to", url, "--on", "failed,held")
    key = added.split()[-1]
    assert "t0ken" not in added
    site.run(
        "notify", "add", "*", "everything", "--to", "mailto:ops@example.com", "--on", "all", "--audience", "customer"
    )
    site.run("notify", "add", "acme", "chat", "--to-env", "SLACK_URL", "--on", "late")
    hook, chat = [each for each in site.listed("notify", "list", "acme") if each["tenant"] == "acme"][::-1]
    assert (hook["to"], hook["on"], hook["secrets"]) == (
        f"http://127.0.0.1:{receiver.port}/***",
        ["failed", "held"],
        ["made by ingester"],
    )
    assert (chat["to"], chat["on"]) == ("env:SLACK_URL", ["late"])
    assert key not in site.run("notify", "list")

    assert "'hook' took the message" in site.run("notify", "test", "acme", "hook")
    (request,) = receiver.requests
    assert json.loads(request.body)["type"] == "test"
    signed = f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}.".encode() + request.body
    digest = hmac.new(base64.b64decode(key.removeprefix("whsec_")), signed, hashlib.sha256).digest()
    assert request.headers["webhook-signature"] == "v1," + base64.b64encode(digest).decode()
    assert "env:SLACK_URL is empty" in site.refused("notify", "test", "acme", "chat")

    assert len(list((site.data_dir / "secrets").iterdir())) == 1
    site.run("notify", "remove", "acme", "hook")
    assert list((site.data_dir / "secrets").iterdir()) == []
    assert [each["name"] for each in site.listed("notify", "list")] == ["everything", "chat"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--to", "https://169.254.169.254/"], "not a public address"),
        (["--to", "https://user:t0ken@example.com/"], "no user and password"),
        (["--to", "mailto:nobody"], "is not an e-mail address"),
        (["--to", "syslog://"], "not a target"),
        (["--to", "mailto:a@b.example", "--on", "sneeze"], "no event 'sneeze'"),
        (["--to", "mailto:a@b.example", "--secret-env", "X"], "only webhooks are signed"),
        (["--to", "mailto:a@b.example", "--feed", "none"], "no feed 'none'"),
        (["--to-file", "relative"], "no absolute path"),
        ([], "where to?"),
    ],
)
def test_a_target_that_cannot_work_is_refused(site: Site, options: list[str], said: str) -> None:
    refused = site.refused("notify", "add", "acme", "x", *options)
    assert said in refused
    assert "t0ken" not in refused
    assert site.listed("notify", "list") == []
    assert not list(site.data_dir.glob("secrets/*"))


def test_a_running_service_alerts_of_a_small_drop_and_tells_it(
    launch: Callable[..., Service], monkeypatch: pytest.MonkeyPatch, receiver: Receiver
) -> None:
    service = launch()
    service._environment |= SETTINGS
    for name in ("INGESTER_DATA_DIR", *SETTINGS):
        monkeypatch.setenv(name, service._environment[name])
    site = Site(service.data_dir)
    site.run("tenant", "add", "acme", "--catalogue", "field_service")
    site.run(
        *("feed", "add", "acme", "crm", "--entity", "brand", "--pattern", "crm_*", "--expect-rows", "2"),
        *("--on-repeated", "import", "--on-renamed", "import"),
    )
    site.run("notify", "add", "acme", "hook", "--to", f"http://127.0.0.1:{receiver.port}/", "--on", "all")
    service.start()
    inbox = site.data_dir / "tenants" / "acme" / "inbox"
    (inbox / "crm_1.csv").write_text("external_id,name\nB1,one\n")
    assert told(receiver, 2) == {"import.completed", "alert.shrunken.raised"}
    (alert,) = site.listed("alerts", "list")
    assert (alert["kind"], alert["feed"], alert["resolved_at"]) == ("shrunken", "crm", None)
    assert alert["message"].endswith("has 1 row; at least 2 are expected")
    assert [each["kind"] for each in site.listed("feed", "list", "acme")[0]["alerts"]] == ["shrunken"]
    assert "shrunken since" in site.run("feed", "show", "acme", "crm")

    (inbox / "crm_2.csv").write_text("external_id,name\nB1,one\nB2,two\n")
    assert told(receiver, 4) == {"import.completed", "alert.shrunken.raised", "alert.shrunken.resolved"}
    assert site.listed("alerts", "list") == []
    (alert,) = site.listed("alerts", "list", "--all")
    assert alert["resolved_by"].startswith("import ")
    assert "resolved already" in site.refused("alerts", "resolve", str(alert["id"]))
    assert [each["state"] for each in site.listed("notify", "log")] == ["sent"] * 4


def told(receiver: Receiver, count: int) -> set[str]:
    """The types of what a receiver was told, once there are so many."""
    deadline = time.monotonic() + 20
    while len(receiver.requests) < count:
        assert time.monotonic() < deadline, [request.body for request in receiver.requests]
        time.sleep(0.02)
    time.sleep(0.05)
    return {json.loads(request.body)["type"] for request in receiver.requests}
