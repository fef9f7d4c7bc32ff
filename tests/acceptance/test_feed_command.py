"""Feeds as an operator keeps them: added by hand, or declared in a file that is applied again and again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.service import Service

FEEDS = """
tenant: acme
feeds:
  - {name: full, entity: product, pattern: "full_*", action: overwrite, removal_guard_percent: 20}
  - {name: crm, entity: customer, pattern: "crm_*", source: crm, empty_erases: true}
"""


@pytest.fixture
def site(launch: Callable[..., Service]) -> Service:
    """A data directory with a tenant and nothing running."""
    service = launch()
    service.run("tenant", "add", "acme")
    return service


def feeds(site: Service) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(site.run("feed", "list", "acme", "--json").stdout)
    return found


def test_a_feed_keeps_what_it_was_told_and_goes_when_it_is_removed(site: Service) -> None:
    site.run(
        *("feed", "add", "acme", "full", "--entity", "product", "--pattern", "full_*", "--action", "overwrite"),
        *("--source", "erp", "--duplicates", "use_last", "--empty-erases", "--removal-guard", "20"),
        *("--complete-on", "marker"),
    )
    (said,) = feeds(site)
    assert said.pop("created_at")
    assert said == {
        "name": "full",
        "catalogue": "field_service",
        "entity": "product",
        "pattern": "full_*",
        "source": "erp",
        "action": "overwrite",
        "duplicate_handling": "use_last",
        "empty_erases": True,
        "removal_guard_percent": 20,
        "on_repeated": "skip",
        "on_renamed": "skip",
        "on_revised": "import",
        "on_hold": "block",
        "schedule": "immediate",
        "window_seconds": 0,
        "blackout": [],
        "settle_seconds": 0,
        "priority": 0,
        "time_limit_seconds": None,
        "paused_at": None,
        "expects": None,
        "reads": None,
        "next_due_at": None,
        "alerts": [],
        "complete_on": "marker",
    }
    assert "removal_guard_percent: 20" in site.run("feed", "show", "acme", "full").stdout.splitlines()
    site.run("feed", "remove", "acme", "full")
    assert feeds(site) == []
    gone = site.run("feed", "show", "acme", "full", check=False)
    assert (gone.returncode, "no feed 'full'" in gone.stderr) == (1, True)


def test_a_file_makes_the_feeds_what_it_says_and_tells_what_changed(site: Service, tmp_path: Path) -> None:
    site.run("feed", "add", "acme", "crm", "--entity", "customer", "--pattern", "crm_*")
    site.run("feed", "add", "acme", "old", "--entity", "brand", "--pattern", "*")
    file = tmp_path / "feeds.yaml"
    file.write_text(FEEDS)

    foreseen = json.loads(site.run("feed", "apply", file, "--dry-run", "--json").stdout)
    assert (foreseen["tenant"], foreseen["dry_run"]) == ("acme", True)
    assert [(change["feed"], change["change"]) for change in foreseen["changes"]] == [
        ("full", "added"),
        ("crm", "changed"),
        ("old", "removed"),
    ]
    assert foreseen["changes"][1]["words"] == {
        "source": {"before": None, "after": "crm"},
        "empty_erases": {"before": False, "after": True},
    }
    assert [feed["name"] for feed in feeds(site)] == ["crm", "old"], "a dry run changed something"

    told = site.run("feed", "apply", file).stdout
    for line in ("feed 'full' added", "feed 'crm' changed", "  source: - -> crm", "feed 'old' removed"):
        assert line in told.splitlines()
    assert [(feed["name"], feed["action"]) for feed in feeds(site)] == [("full", "overwrite"), ("crm", "merge")]
    assert "are as feeds.yaml says" in site.run("feed", "apply", file).stdout


def test_a_file_with_a_mistake_changes_nothing(site: Service, tmp_path: Path) -> None:
    file = tmp_path / "feeds.toml"
    file.write_text(
        '[[feeds]]\nname = "a"\nentity = "brand"\npattern = "*"\n[[feeds]]\nname = "b"\nentity = "nothing"\n'
    )
    for text in (file.read_text(), file.read_text() + 'pattern = "*"\n'):
        file.write_text(text)
        refused = site.run("feed", "apply", file, "--tenant", "acme", check=False)
        assert refused.returncode == 1
        assert len(refused.stderr.splitlines()) == 1
    unnamed = site.run("feed", "apply", file, check=False)
    assert "whose feeds" in unnamed.stderr
    assert feeds(site) == []


def test_a_word_of_a_feed_is_changed_where_it_stands(site: Service) -> None:
    for name in ("crm", "shop"):
        site.run("feed", "add", "acme", name, "--entity", "customer", "--pattern", f"{name}_*", "--source", name)
    site.run("feed", "pause", "acme", "crm")
    dry = site.run("feed", "set", "acme", "crm", "source=", "--dry-run").stdout
    assert "feed 'crm' would be changed" in dry
    said = site.run(
        *("feed", "set", "acme", "crm", "schedule=30 2 * * *", "settle_seconds=10m", "source=", "blackout=sat,12-24"),
        *("expects.by=02:30", "expects.days=mon-fri"),
    ).stdout
    assert "schedule: immediate -> 30 2 * * *" in said
    crm, shop = feeds(site)
    assert (crm["name"], crm["source"], crm["schedule"], crm["settle_seconds"]) == ("crm", None, "30 2 * * *", 600)
    assert (crm["blackout"], crm["expects"]) == (["sat", "12-24"], {"by": "02:30", "days": "mon-fri"})
    assert crm["paused_at"] is not None, "it stays paused"
    assert (shop["name"], shop["source"]) == ("shop", "shop")
    assert "says so already" in site.run("feed", "set", "acme", "crm", "settle_seconds=600").stdout
    site.run("feed", "set", "acme", "crm", "expects.by=", "expects.days=")
    assert feeds(site)[0]["expects"] is None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["colour=red"], "changes no word of a feed"),
        (["name=other"], "changes no word of a feed"),
        (["schedule"], "changes no word of a feed"),
        (["priority=high"], "priority"),
        (["schedule=never"], "schedule"),
        (["window_seconds=2h"], "a window needs a schedule"),
        (["entity=ghost"], "ghost"),
        (["expects.colour=red"], "changes no word of a feed"),
    ],
)
def test_what_a_feed_cannot_say_changes_nothing(site: Service, words: list[str], said: str) -> None:
    site.run("feed", "add", "acme", "crm", "--entity", "customer", "--pattern", "crm_*")
    before = feeds(site)
    refused = site.run("feed", "set", "acme", "crm", *words, check=False)
    assert refused.returncode == 1
    assert said in refused.stderr
    assert feeds(site) == before
