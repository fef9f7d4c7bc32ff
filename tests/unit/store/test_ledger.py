"""The ledger on both databases: what is landed is found again, in order, and nothing of it twice."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

import pytest

from ingester.domain.errors import UsageError
from ingester.domain.status import Action, DuplicateHandling, Origin, Status
from ingester.store.database import now
from ingester.store.ledger import Ledger, ShortIdTaken
from ingester.store.ledger_tables import Drop, Import
from ingester.store.tenant import Tenants


@pytest.fixture
def ledger(any_ledger: Ledger) -> Ledger:
    Tenants(any_ledger).add("acme", ["shop"])
    return any_ledger


def pair(name: str, **values: object) -> tuple[Drop, Import]:
    """A drop of tenant acme called `name`, and its import; values of either may be given."""
    at = now()
    drop = {
        "id": name,
        "tenant": "acme",
        "origin": Origin.FOLDER,
        "name": name,
        "size": 1,
        "sha256": "",
        "location": name,
        "shown_folder": "",
        "shown_name": name,
        "landed_at": at,
    }
    job = {
        "id": name,
        "short_id": name,
        "tenant": "acme",
        "drop_id": name,
        "catalogue": "shop",
        "entity": "item",
        "due_at": at,
        "created_at": at,
    }
    for word, value in values.items():
        (drop if word in Drop.model_fields and word not in Import.model_fields else job)[word] = value
    return Drop(**drop), Import(**job)


def test_what_is_landed_together_keeps_its_order(ledger: Ledger) -> None:
    names = [f"{number * 7919 % 1000:03}" for number in range(300)]
    ledger.land([pair(name) for name in names])
    assert [job.id for job, _ in ledger.waiting()] == names
    assert [job.id for job, _ in ledger.imports(limit=3)] == names[:-4:-1]
    assert ledger.known_drops([*names, *(f"unknown{number}" for number in range(600))]) == set(names)


def test_nothing_lands_before_what_somebody_has_already_seen(ledger: Ledger) -> None:
    """A number given earlier but committed later would let a file overtake one that landed before it."""
    overtaken = []

    def land(thread: int) -> None:
        for number in range(15):
            name = f"{thread}-{number}"
            seen = ledger.imports(limit=1)
            ledger.land([pair(name)])
            job, _ = ledger.import_(name)
            if seen and (job.sequence or 0) <= (seen[0][0].sequence or 0):
                overtaken.append(name)

    threads = [threading.Thread(target=land, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ledger.waiting()) == 60
    assert overtaken == []


def test_a_short_id_that_the_tenant_has_had_is_told_and_nothing_of_its_group_is_kept(ledger: Ledger) -> None:
    ledger.land([pair("first", short_id="7f3a9c2e")])
    with pytest.raises(ShortIdTaken):
        ledger.land([pair("second"), pair("third", short_id="7f3a9c2e")])
    assert ledger.known_drops(["first", "second", "third"]) == {"first"}
    Tenants(ledger).add("other", ["shop"])
    ledger.land([pair("theirs", short_id="7f3a9c2e", tenant="other")])
    with pytest.raises(UsageError, match="several tenants"):
        ledger.import_("7f3a9c2e")


def test_every_word_of_an_import_comes_back_as_it_was(ledger: Ledger) -> None:
    at = datetime(2026, 3, 1, 12, 30, 15, 123456, tzinfo=UTC)
    words = {
        "source": "ü'\"%_\\",
        "action": Action.OVERWRITE,
        "duplicate_handling": DuplicateHandling.USE_LAST,
        "empty_erases": True,
        "removal_guard_percent": 7,
        "dry_run": True,
        "approved": ["a", "ü"],
        "due_at": at,
        "ancestors": ["shop.category"],
        "size": 2**40,
        "status": Status.NEEDS_ATTENTION,
    }
    ledger.land([pair("one", **words)])
    job, drop = ledger.import_("one")
    assert {word: getattr(drop if word == "size" else job, word) for word in words} == words
    assert job.due_at.isoformat() == "2026-03-01T12:30:15.123456+00:00"


def test_without_a_word_about_it_an_import_merges_and_erases_nothing(ledger: Ledger) -> None:
    ledger.land([pair("one")])
    job, _ = ledger.import_("one")
    assert (job.action, job.empty_erases, job.removal_guard_percent) == (Action.MERGE, False, 50)


def test_an_import_that_is_renamed_follows_its_new_route_whole(ledger: Ledger) -> None:
    ledger.land([pair("one")])
    job, drop = ledger.import_("one")
    job.action, job.empty_erases, job.removal_guard_percent, job.feed = Action.UPDATE, True, 10, "f"
    job.source, job.duplicate_handling = "crm", DuplicateHandling.USE_FIRST
    drop.name = drop.shown_name = "two"
    assert ledger.reroute(job, drop, Status.QUEUED)
    found, renamed = ledger.import_("one")
    assert found.model_dump() == job.model_dump()
    assert renamed.shown_name == "two"
    job.attempts = 1
    assert not ledger.reroute(job, drop, Status.QUEUED), "somebody has claimed it meanwhile"


def test_a_reference_is_found_by_its_beginning_and_wildcards_mean_themselves(ledger: Ledger) -> None:
    ledger.land([pair("one", origin_ref="100%_a:1")])
    assert ledger.landed(["100%_a:1", "100%_a", "other"]) == {"100%_a:1"}
    assert [drop.id for drop in ledger.drops_like("100%_a")] == [ledger.import_("one")[1].id]
    assert not ledger.drops_like("1%")
    assert not ledger.drops_like("100%_b")


def test_a_drop_is_shown_until_it_is_hidden_or_its_import_has_long_ended(ledger: Ledger) -> None:
    ledger.land([pair("kept"), pair("hidden"), pair("ended", completed_at=now(), status=Status.COMPLETED)])
    assert [drop.id for drop, _ in ledger.shown_drops("acme", "")] == ["kept", "hidden", "ended"]
    ledger.hide("hidden")
    ledger.hide_ended(now())
    assert [drop.id for drop, _ in ledger.shown_drops("acme", "")] == ["kept"]
    ledger.show_as("kept", "item", "new.csv")
    assert [drop.id for drop, _ in ledger.shown_drops("acme", "item", "new.csv")] == ["kept"]
    assert [job.id for job, _ in ledger.stopped(10)] == []
