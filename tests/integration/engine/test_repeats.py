"""Drops that repeat an earlier one: skipped, held or imported as their feed says, and accounted for either way."""

from __future__ import annotations

import pytest

from ingester.domain.status import Action, Outcome, RepeatHandling, Status
from tests.integration.engine.harness import Engine, failing
from tests.report import Report, assert_reconciles

ITEMS = "external_id,label,price\nA,a,1\nB,b,2\nC,c,3\n"
OTHERS = "external_id,label,price\nA,a,9\n"
#: What a feed says that says nothing.
USUAL: dict[str, object] = {"on_repeated": RepeatHandling.SKIP, "on_renamed": RepeatHandling.SKIP}


def take(engine: Engine, content: str = ITEMS, name: str = "items.csv", **words: object) -> Report:
    return engine.take(name, content, **{**USUAL, **words})


@pytest.mark.parametrize("name", ["items.csv", "items_again.csv"])
def test_the_bytes_that_were_imported_last_are_skipped_under_any_name(engine: Engine, name: str) -> None:
    first = take(engine)
    again = take(engine, name=name)
    assert (again.status["status"], again.status["outcome"]) == ("completed", "duplicate")
    assert again.status["duplicate_of"] == first.status["id"]
    assert again.status["message"] == f"The same bytes were imported as {first.status['short_id']} (items.csv)"
    assert (again.stats["total_rows"], again.stats["duplicate_rows"], again.stats["valid_rows"]) == (3, 3, 0)
    assert again.errors == []
    assert len(engine.rows("item")) == 3
    assert engine.leftovers() == []


def test_every_original_is_archived_also_one_that_was_skipped(engine: Engine) -> None:
    take(engine)
    again = take(engine)
    archived = [path.name for path in engine.directory.tenant("acme").archive.rglob("items.csv.*")]
    assert len(archived) == 2
    assert f"items.csv.{again.status['short_id']}" in archived


def test_a_repetition_whose_bytes_are_gone_is_told_so(engine: Engine) -> None:
    take(engine)
    job = engine.drop("items.csv", ITEMS)
    drop = engine.drop_of(job)
    engine.directory.drop_file(drop.id, drop.location).unlink()
    engine.work()
    assert engine.report(job).status["reason"] == "drop_missing"


def test_a_skipped_drop_is_no_import_that_a_third_could_repeat(engine: Engine) -> None:
    first = take(engine)
    take(engine)
    assert take(engine).status["duplicate_of"] == first.status["id"]


def test_bytes_that_came_before_other_bytes_are_imported_again(engine: Engine) -> None:
    take(engine)
    take(engine, OTHERS)
    back = take(engine)
    assert (back.status["outcome"], back.stats["updated_count"]) == ("accepted", 1)


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ({"dry_run": True}, {}),
        ({}, {"dry_run": True}),
        ({"source": "crm"}, {}),
        ({"feed": "nightly"}, {}),
        ({}, {"action": Action.OVERWRITE}),
        ({}, {"empty_erases": True}),
        ({}, {"on_repeated": RepeatHandling.IMPORT}),
        ({}, {"approved": ["repeated_drop"]}),
    ],
)
def test_what_might_come_to_something_else_is_imported(
    engine: Engine, earlier: dict[str, object], later: dict[str, object]
) -> None:
    take(engine, **earlier)
    report = take(engine, **later)
    assert report.status["outcome"] == "accepted"
    assert_reconciles(report)


def test_a_file_of_which_rows_were_refused_may_do_better_the_second_time(engine: Engine) -> None:
    orphan = "external_id,label,category_external_id\nA,a,K\nB,b,\n"
    assert take(engine, orphan).status["outcome"] == "partial"
    engine.take("categories.csv", "external_id,label\nK,k\n")
    assert take(engine, orphan).status["outcome"] == "accepted"


def test_a_feed_may_ask_before_it_imports_the_same_bytes_again(engine: Engine) -> None:
    first = take(engine)
    held = take(engine, on_repeated=RepeatHandling.HOLD)
    assert (held.status["status"], held.status["reason"]) == ("needs_attention", "repeated_drop")
    assert first.status["short_id"] in held.status["message"]
    job, drop = engine.ledger.import_(held.status["id"])
    engine.decisions.approve(job, drop)
    engine.work()
    assert engine.report(job).status["outcome"] == "accepted"


@pytest.mark.parametrize(
    ("handling", "seen"),
    [
        (RepeatHandling.IMPORT, ("completed", "accepted", None)),
        (RepeatHandling.SKIP, ("completed", "duplicate", "repeated_drop")),
        (RepeatHandling.HOLD, ("needs_attention", None, "repeated_drop")),
    ],
)
def test_a_name_that_comes_with_other_bytes_is_treated_as_the_feed_says(
    engine: Engine, handling: RepeatHandling, seen: tuple[str, str | None, str | None]
) -> None:
    take(engine)
    report = take(engine, OTHERS, on_revised=handling)
    assert tuple(report.status[name] for name in ("status", "outcome", "reason")) == seen
    assert take(engine, "external_id,label\nX,x\n", "items_new.csv", on_revised=handling).status["outcome"] in (
        "accepted",
        None,  # waits behind the one that is held
    )


@pytest.mark.parametrize("point", ["merge.before_commit", "merge.committed", "outbox.published"])
def test_a_crash_while_skipping_changes_nothing_but_the_time_it_takes(engine: Engine, point: str) -> None:
    first = take(engine)
    with failing(point, SystemExit()), pytest.raises(SystemExit):
        take(engine)
    engine.crash()
    engine.make_due()
    engine.work()
    (job, _), *_ = engine.ledger.imports(limit=1)
    report = engine.report(job)
    assert (job.status, job.outcome) == (Status.COMPLETED, Outcome.DUPLICATE)
    assert (report.status["outcome"], report.status["duplicate_of"]) == ("duplicate", first.status["id"])
    assert engine.leftovers() == []


def test_the_ledger_keeps_the_counts_of_every_import(engine: Engine) -> None:
    report = take(engine, ITEMS + "D,,\n")
    (job, _), *_ = engine.ledger.imports(limit=1)
    assert job.stats == report.stats
