"""The durable queue: who may work on what, in which order, and who has a say about how it ended."""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import pytest
from sqlalchemy import event, update

from ingester import turn
from ingester.domain.errors import UsageError
from ingester.domain.status import TRANSITIONS, Origin, Outcome, Status
from ingester.queue import Claim, Queue, worker_name
from ingester.store.database import now
from ingester.store.ledger import Ledger
from ingester.store.ledger_tables import Drop, Feed, Import
from ingester.store.tenant import Tenants

Add = Callable[..., str]


@pytest.fixture
def ledger(any_ledger: Ledger) -> Ledger:
    Tenants(any_ledger).add("acme", ["shop"])
    return any_ledger


@pytest.fixture
def queue(ledger: Ledger) -> Queue:
    return Queue(ledger)


def landed(tenant: str, number: int, entity: str, **values: object) -> tuple[Drop, Import]:
    """A drop and its import; values of the import may be given."""
    at = now()
    name = f"{tenant}-{number}"
    drop = Drop(
        id=name, tenant=tenant, origin=Origin.SFTP, name=name, size=1, sha256="", location=f"drops/{name}",
        shown_folder="", shown_name=name, landed_at=at,
    )  # fmt: skip
    given = {"status": Status.QUEUED, "due_at": at, "created_at": at, **values}
    job = Import(id=name, short_id=name, tenant=tenant, drop_id=name, catalogue="shop", entity=entity, **given)
    return drop, job


@pytest.fixture
def add(ledger: Ledger) -> Add:
    """Queue an import of an entity; returns its id."""
    numbers = itertools.count(1)

    def add_one(entity: str = "item", *, tenant: str = "acme", **values: object) -> str:
        pair = landed(tenant, next(numbers), entity, **values)
        ledger.land([pair])
        return pair[1].id

    return add_one


def settling(landed_at: datetime, seconds: int) -> dict[str, object]:
    """An import that landed then and wants so much rest around it."""
    due_at = landed_at + timedelta(seconds=seconds)
    return {"created_at": landed_at, "due_at": due_at, "settle_seconds": seconds}


def claimed(queue: Queue, worker: str = "w") -> str | None:
    claim = queue.claim(worker)
    return None if claim is None else claim.job.id


def must_claim(queue: Queue, worker: str = "w") -> Claim:
    claim = queue.claim(worker)
    assert claim is not None
    return claim


def status_of(ledger: Ledger, import_id: str) -> Status:
    return ledger.import_(import_id)[0].status


# --- order -----------------------------------------------------------------------------------------------------------


def test_imports_of_one_series_run_one_at_a_time_as_they_landed(queue: Queue, add: Add) -> None:
    first, second = add(), add()
    claim = must_claim(queue)
    assert claim.job.id == first
    assert queue.claim("other") is None
    queue.complete(claim.job, Outcome.ACCEPTED, location="archive")
    assert claimed(queue) == second


def test_entities_and_sources_of_their_own_do_not_wait_for_one_another(queue: Queue, add: Add) -> None:
    ids = {add("item"), add("item", source="crm"), add("supplier")}
    assert {claimed(queue, f"w{number}") for number in range(3)} == ids
    assert queue.claim("w") is None


def test_parents_go_before_children_whatever_landed_first(queue: Queue, add: Add) -> None:
    child = add("item", rank=2, ancestors=["shop.category"])
    parent = add("category", rank=1)
    claim = must_claim(queue)
    assert claim.job.id == parent
    assert queue.claim("other") is None, "the child began while its parents were still coming in"
    queue.complete(claim.job, Outcome.ACCEPTED, location="archive")
    assert claimed(queue) == child


def test_a_child_waits_for_a_parent_that_is_to_be_tried_again(queue: Queue, add: Add) -> None:
    add("item", rank=2, ancestors=["shop.category"])
    add("category", rank=1, due_at=now() + timedelta(hours=1), attempts=1)
    assert queue.claim("w") is None


def test_a_child_does_not_wait_for_a_parent_whose_window_is_yet_to_open(queue: Queue, add: Add) -> None:
    child = add("item", rank=2, ancestors=["shop.category"])
    add("category", rank=1, due_at=now() + timedelta(hours=1))
    assert claimed(queue) == child


def test_children_of_another_tenant_do_not_wait(queue: Queue, add: Add, ledger: Ledger) -> None:
    Tenants(ledger).add("other", ["shop"])
    add("category", rank=1, due_at=now() + timedelta(hours=1), attempts=1)
    child = add("item", tenant="other", rank=2, ancestors=["shop.category"])
    assert claimed(queue) == child


def test_a_hold_blocks_those_behind_it_and_nobody_else(queue: Queue, add: Add, ledger: Ledger) -> None:
    held, behind = add(), add()
    queue.hold(must_claim(queue).job, reason="possibly_truncated", message="cut")
    assert queue.claim("w") is None
    elsewhere = add("supplier")
    assert claimed(queue) == elsewhere
    queue.cancel(ledger.import_(held)[0], "canceled")
    assert claimed(queue) == behind


def test_tenants_whose_lines_are_blocked_do_not_keep_others_waiting(queue: Queue, add: Add, ledger: Ledger) -> None:
    for number in range(60):
        Tenants(ledger).add(f"blocked{number}", ["shop"])
        add(tenant=f"blocked{number}", status=Status.NEEDS_ATTENTION)
        add(tenant=f"blocked{number}")
    free = add()
    assert claimed(queue) == free


def test_a_tenant_with_a_long_line_takes_turns_with_the_others(queue: Queue, add: Add, ledger: Ledger) -> None:
    Tenants(ledger).add("other", ["shop"])
    for _ in range(10):
        add()
    late = add(tenant="other")
    first = must_claim(queue)
    queue.complete(first.job, Outcome.ACCEPTED, location="archive")
    assert late in {first.job.id, claimed(queue)}


def test_nothing_is_claimed_before_it_is_due(queue: Queue, add: Add) -> None:
    later = now() + timedelta(hours=1)
    add(due_at=later)
    assert queue.claim("w") is None
    assert queue.next_due() == later


def test_an_empty_queue_is_due_never(queue: Queue) -> None:
    assert queue.next_due() is None
    assert queue.claim("w") is None


# --- shares ----------------------------------------------------------------------------------------------------------


def served(queue: Queue, times: int) -> list[str]:
    """Whose imports are taken, one after the other; each ends at once."""
    tenants = []
    for _ in range(times):
        claim = must_claim(queue)
        queue.complete(claim.job, Outcome.ACCEPTED, location="archive")
        tenants.append(claim.job.tenant)
    return tenants


def test_tenants_are_served_by_their_weights(queue: Queue, add: Add, ledger: Ledger) -> None:
    Tenants(ledger).add("big", ["shop"])
    Tenants(ledger).limit("big", weight=3)
    for _ in range(12):
        add()
        add(tenant="big")
    tenants = served(queue, 12)
    assert tenants.count("big") == 9
    assert "acme" in tenants[:4], "a heavy tenant does not go first with all it has"


def test_a_tenant_that_was_idle_takes_turns_and_makes_up_for_nothing(queue: Queue, add: Add, ledger: Ledger) -> None:
    Tenants(ledger).add("idle", ["shop"])
    for _ in range(20):
        add()
    assert served(queue, 10) == ["acme"] * 10
    for _ in range(10):
        add(tenant="idle")
    assert served(queue, 8).count("idle") == 4


def test_a_tenant_runs_no_more_at_once_than_it_may(queue: Queue, add: Add, ledger: Ledger) -> None:
    Tenants(ledger).add("other", ["shop"])
    Tenants(ledger).limit("acme", concurrency=1)
    first, second, others = add(), add("supplier"), add(tenant="other")
    assert {claimed(queue), claimed(queue)} == {first, others}
    assert claimed(queue) is None
    Tenants(ledger).limit("acme", concurrency=0)
    assert claimed(queue) == second


def test_no_more_run_at_once_than_the_service_may(ledger: Ledger, add: Add) -> None:
    queue = Queue(ledger, at_once=2)
    for entity in ("one", "two", "three"):
        add(entity)
    claims = [queue.claim("w"), queue.claim("w")]
    assert None not in claims
    assert queue.claim("w") is None
    assert claims[0] is not None
    queue.complete(claims[0].job, Outcome.ACCEPTED, location="archive")
    assert queue.claim("w") is not None


def test_priority_goes_first_among_what_waits_for_a_tenant_but_never_before_its_parents(queue: Queue, add: Add) -> None:
    plain = add("supplier")
    child = add("item", rank=2, ancestors=["shop.category"], priority=10)
    parent = add("category", rank=1)
    urgent = add("call", priority=5)
    order = []
    for _ in range(4):
        claim = must_claim(queue)
        queue.complete(claim.job, Outcome.ACCEPTED, location="archive")
        order.append(claim.job.id)
    assert order[0] == urgent
    assert order.index(parent) < order.index(child)
    assert set(order) == {plain, child, parent, urgent}


def test_what_is_paused_waits_and_goes_on(queue: Queue, add: Add, ledger: Ledger) -> None:
    tenants = Tenants(ledger)
    tenants.add_feed(Feed(tenant="acme", name="crm", catalogue="shop", entity="item", pattern="*", created_at=now()))
    fed, other = add(feed="crm"), add("supplier")
    tenants.pause("acme", "crm")
    assert claimed(queue) == other
    assert claimed(queue) is None
    tenants.resume("acme", "crm")
    tenants.pause("acme")
    assert claimed(queue) is None
    tenants.resume("acme")
    assert claimed(queue) == fed


# --- settling --------------------------------------------------------------------------------------------------------


def test_a_batch_starts_when_nothing_more_has_landed_for_a_while(queue: Queue, add: Add, ledger: Ledger) -> None:
    began = now()
    child = add("item", rank=2, ancestors=["shop.category"], **settling(began, 60))
    parent = add("category", rank=1, **settling(began + timedelta(seconds=50), 60))
    assert queue.claim("w", began + timedelta(seconds=100)) is None, "the first one's own rest was over at 60"
    claim = queue.claim("w", began + timedelta(seconds=111))
    assert claim is not None
    assert claim.job.id == parent
    assert queue.claim("w", began + timedelta(seconds=111)) is None
    queue.complete(claim.job, Outcome.ACCEPTED, location="archive")
    last = queue.claim("w", began + timedelta(seconds=112))
    assert last is not None
    assert last.job.id == child


def test_a_stream_that_never_rests_starts_all_the_same(queue: Queue, add: Add) -> None:
    began = now()
    first = add(**settling(began, 60))
    for number in range(1, 41):
        add(f"item{number}", **settling(began + timedelta(seconds=50 * number), 60))
    claim = queue.claim("w", began + timedelta(seconds=1300))
    assert claim is not None
    assert claim.job.id == first


def test_what_does_not_settle_keeps_nothing_waiting(queue: Queue, add: Add) -> None:
    began = now()
    settled = add(**settling(began, 60))
    at_once = add("supplier", created_at=began + timedelta(seconds=50), due_at=began + timedelta(seconds=50))
    later = began + timedelta(seconds=61)
    claims = [queue.claim("w", later), queue.claim("w", later)]
    assert {claim.job.id for claim in claims if claim is not None} == {settled, at_once}


# --- claims ----------------------------------------------------------------------------------------------------------


def test_no_import_is_claimed_twice(queue: Queue, add: Add, ledger: Ledger) -> None:
    ids = [add(f"entity{number}") for number in range(40)]
    found: list[str] = []

    def work(worker: str) -> None:
        while (claim := queue.claim(worker)) is not None:
            found.append(claim.job.id)

    threads = [threading.Thread(target=work, args=(f"w{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == sorted(ids)
    assert all(len(ledger.attempts(each)) == 1 for each in ids)


def test_a_claim_says_who_works_and_counts_the_attempt(queue: Queue, add: Add, ledger: Ledger) -> None:
    import_id = add()
    before = now()
    claim = must_claim(queue, "host-1-aa")
    job, _ = ledger.import_(import_id)
    assert (job.status, job.worker, job.attempts) == (Status.PROCESSING, "host-1-aa", 1)
    assert job.started_at is not None
    assert job.started_at >= before
    assert job.lease_until is not None
    assert job.lease_until > now()
    assert claim.drop.id == import_id
    (attempt,) = ledger.attempts(import_id)
    assert (attempt.number, attempt.worker, attempt.ended_at, attempt.result) == (1, "host-1-aa", None, None)


def expire(ledger: Ledger, import_id: str) -> None:
    with ledger.writing() as session:
        session.exec(update(Import).where(Import.id == import_id).values(lease_until=now() - timedelta(seconds=1)))


def test_a_lease_that_is_renewed_is_not_lost(queue: Queue, add: Add, ledger: Ledger) -> None:
    import_id = add()
    claim = must_claim(queue)
    expire(ledger, import_id)
    assert queue.heartbeat(claim.job)
    assert queue.recover() == []


def test_an_expired_lease_is_queued_again_and_the_attempt_is_noted_as_lost(
    queue: Queue, add: Add, ledger: Ledger
) -> None:
    import_id = add()
    claim = must_claim(queue)
    expire(ledger, import_id)
    assert queue.recover() == [import_id]
    assert not queue.heartbeat(claim.job)
    again = must_claim(queue, "second")
    assert (again.job.id, again.job.attempts) == (import_id, 2)
    assert [attempt.result for attempt in ledger.attempts(import_id)] == ["lost", None]


def test_a_worker_that_lost_its_claim_has_no_say_but_the_truth(queue: Queue, add: Add, ledger: Ledger) -> None:
    import_id = add()
    slow = must_claim(queue, "slow").job
    expire(ledger, import_id)
    queue.recover()
    quick = must_claim(queue, "quick").job

    assert not queue.fail(slow, reason="internal_error", message="no", location="elsewhere", error="boom")
    assert not queue.hold(slow, reason="possibly_truncated", message="no")
    assert not queue.retry_later(slow, after=timedelta(0), error="no")
    job, drop = ledger.import_(import_id)
    assert (job.status, job.worker, job.reason) == (Status.PROCESSING, "quick", None)
    assert drop.location == f"drops/{drop.id}"
    assert [attempt.result for attempt in ledger.attempts(import_id)] == ["lost", None]

    queue.complete(slow, Outcome.ACCEPTED, location="archive")
    job, drop = ledger.import_(import_id)
    assert (job.status, job.outcome, job.worker, drop.location) == (
        Status.COMPLETED,
        Outcome.ACCEPTED,
        None,
        "archive",
    )
    assert not queue.fail(quick, reason="internal_error", message="no", location="elsewhere")
    assert status_of(ledger, import_id) is Status.COMPLETED
    assert ledger.drop(drop.id).location == "archive"
    assert all(attempt.ended_at for attempt in ledger.attempts(import_id))


def test_what_one_dead_process_left_is_queued_again_and_nothing_else(queue: Queue, add: Add, ledger: Ledger) -> None:
    dead, alive = add("item"), add("supplier")
    mine = worker_name()
    assert must_claim(queue, mine).job.id == dead
    # The same digits at the beginning are another process.
    assert must_claim(queue, mine.replace(f"-{os.getpid()}-", f"-{os.getpid()}0-")).job.id == alive
    assert queue.recover(process=os.getpid()) == [dead]
    assert status_of(ledger, alive) is Status.PROCESSING
    assert queue.recover(everything=True) == [alive]


def test_what_was_stopped_counts_for_nothing_against_its_import(queue: Queue, add: Add, ledger: Ledger) -> None:
    import_id = add()
    must_claim(queue, worker_name())
    assert queue.recover(process=os.getpid(), stopped=True) == [import_id]
    assert [attempt.result for attempt in ledger.attempts(import_id)] == ["interrupted"]


def test_two_workers_never_share_a_name() -> None:
    assert len({worker_name() for _ in range(100)}) == 100


# --- endings ---------------------------------------------------------------------------------------------------------


def test_a_completed_import_has_its_outcome_and_its_original_s_place(queue: Queue, add: Add, ledger: Ledger) -> None:
    import_id = add()
    queue.complete(must_claim(queue).job, Outcome.PARTIAL, location="tenants/acme/archive/x")
    job, drop = ledger.import_(import_id)
    assert (job.status, job.outcome, drop.location) == (Status.COMPLETED, Outcome.PARTIAL, "tenants/acme/archive/x")
    assert job.completed_at is not None
    assert job.lease_until is None
    assert [attempt.result for attempt in ledger.attempts(import_id)] == ["completed"]


def test_a_failed_import_says_why_to_the_customer_and_to_the_operator(queue: Queue, add: Add, ledger: Ledger) -> None:
    import_id = add()
    job = must_claim(queue).job
    assert queue.fail(job, reason="internal_error", message="reference 1", location="quarantine/x", error="KeyError")
    job, drop = ledger.import_(import_id)
    assert (job.status, job.reason, job.message, drop.location) == (
        Status.FAILED,
        "internal_error",
        "reference 1",
        "quarantine/x",
    )
    (attempt,) = ledger.attempts(import_id)
    assert (attempt.result, attempt.error) == ("failed", "KeyError")
    assert attempt.ended_at is not None


def test_a_retry_comes_later_and_counts_as_another_attempt(queue: Queue, add: Add, ledger: Ledger) -> None:
    import_id = add()
    assert queue.retry_later(must_claim(queue).job, after=timedelta(seconds=90), error="busy")
    job, _ = ledger.import_(import_id)
    assert job.status is Status.QUEUED
    assert timedelta(seconds=80) < job.due_at - now() <= timedelta(seconds=90)
    assert queue.claim("w") is None
    (attempt,) = ledger.attempts(import_id)
    assert (attempt.result, attempt.error) == ("retried", "busy")


# --- decisions -------------------------------------------------------------------------------------------------------


def cancel(queue: Queue, job: Import) -> None:
    queue.cancel(job, "canceled")


DECISIONS: dict[str, tuple[Callable[[Queue, Import], None], set[Status], Status]] = {
    "approve": (Queue.approve, {Status.NEEDS_ATTENTION}, Status.QUEUED),
    "cancel": (cancel, {Status.QUEUED, Status.NEEDS_ATTENTION}, Status.CANCELED),
    "retry": (Queue.retry, {Status.FAILED, Status.TIMED_OUT}, Status.QUEUED),
}


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("decision", DECISIONS)
def test_only_the_decisions_that_a_status_allows_are_taken(
    decision: str, status: Status, queue: Queue, add: Add, ledger: Ledger
) -> None:
    decide, allowed, after = DECISIONS[decision]
    import_id = add(status=status)
    job, _ = ledger.import_(import_id)
    if status in allowed:
        assert after in TRANSITIONS[status]
        decide(queue, job)
        assert status_of(ledger, import_id) is after
    else:
        with pytest.raises(UsageError, match=f"is {status}"):
            decide(queue, job)
        assert status_of(ledger, import_id) is status


def test_a_decision_about_what_changed_meanwhile_is_refused(queue: Queue, add: Add, ledger: Ledger) -> None:
    import_id = add()
    seen, _ = ledger.import_(import_id)
    must_claim(queue)
    with pytest.raises(UsageError, match="no longer queued"):
        queue.cancel(seen, "canceled")
    assert status_of(ledger, import_id) is Status.PROCESSING


def test_approval_is_remembered_by_reason(queue: Queue, add: Add, ledger: Ledger) -> None:
    import_id = add()
    queue.hold(must_claim(queue).job, reason="possibly_truncated", message="cut")
    queue.approve(ledger.import_(import_id)[0])
    job, _ = ledger.import_(import_id)
    assert (job.approved, job.reason, job.message) == (["possibly_truncated"], None, None)
    assert claimed(queue) == import_id


def test_a_retried_import_forgets_why_and_when_it_failed(queue: Queue, add: Add, ledger: Ledger) -> None:
    import_id = add()
    queue.fail(must_claim(queue).job, reason="internal_error", message="m", location="q")
    queue.retry(ledger.import_(import_id)[0])
    job, _ = ledger.import_(import_id)
    assert (job.status, job.reason, job.message, job.completed_at) == (Status.QUEUED, None, None, None)
    assert claimed(queue) == import_id


# --- size ------------------------------------------------------------------------------------------------------------


def test_a_thousand_imports_of_many_tenants_are_claimed_without_delay(queue: Queue, ledger: Ledger) -> None:
    tenants = [f"tenant{number}" for number in range(50)]
    for tenant in tenants:
        Tenants(ledger).add(tenant, ["shop"])
    ledger.land([landed(tenants[number % 50], number, f"entity{number % 4}") for number in range(1000)])
    began = time.perf_counter()
    for _ in range(100):
        queue.complete(must_claim(queue).job, Outcome.ACCEPTED, location="archive")
    # Measured: 1 s on two busy cores; a claim that looked at every import would take minutes.
    assert time.perf_counter() - began < 15


def why(ledger: Ledger, *ids: str) -> dict[str, tuple[str, str]]:
    with ledger.reading() as session:
        jobs = [ledger.import_(each)[0] for each in ids]
        return {each: (wait.reason, wait.expected) for each, wait in turn.waits(session, jobs, now()).items()}


def test_what_keeps_an_import_waiting_is_told_of_each(ledger: Ledger, queue: Queue, add: Add) -> None:
    parent = add("item", rank=0)
    child = add("part", rank=1, ancestors=["shop.item"])
    held = add("order")
    behind, last = add("order"), add("order")
    assert why(ledger, parent) == {}, "it only waits for a worker"
    assert why(ledger, child) == {child: ("waits_for_its_turn", parent)}
    assert why(ledger, held, last) == {last: ("waits_for_its_turn", held)}
    assert claimed(queue) == parent
    assert why(ledger, parent, child) == {child: ("waits_for_its_turn", parent)}, "one that runs waits for nothing"
    claim = must_claim(queue)
    assert claim.job.id == held
    queue.hold(claim.job, reason="mass_removal", message="")
    decision = ("waits_for_decision", held)
    assert why(ledger, behind, last, held) == {behind: decision, last: decision}


def test_a_thousand_tenants_that_are_all_kept_waiting_are_looked_at_in_few_questions(any_ledger: Ledger) -> None:
    tenants = [f"t{number:03}" for number in range(300)]
    pairs = []
    for number, name in enumerate(tenants):
        Tenants(any_ledger).add(name, ["shop"])
        pairs += [landed(name, 2 * number + n, "item", feed="crm") for n in range(2)]
        feed = {"catalogue": "shop", "entity": "item", "pattern": "*", "created_at": now()}
        Tenants(any_ledger).add_feed(Feed(tenant=name, name="crm", **feed))
        Tenants(any_ledger).pause(name, "crm")
    any_ledger.land(pairs)
    queue, asked = Queue(any_ledger), []
    event.listen(any_ledger.engine, "before_cursor_execute", lambda *said: asked.append(said[2]))
    assert claimed(queue) is None
    assert len([each for each in asked if "imports" in each]) < 15
    Tenants(any_ledger).resume(tenants[-1], "crm")
    assert must_claim(queue).job.tenant == tenants[-1]


def test_a_look_at_the_queue_overlooks_nobody_who_moves_meanwhile(
    ledger: Ledger, add: Add, monkeypatch: pytest.MonkeyPatch
) -> None:
    Tenants(ledger).add("zoo", ["shop"])
    feed = {"catalogue": "shop", "entity": "item", "pattern": "*", "created_at": now()}
    Tenants(ledger).add_feed(Feed(tenant="acme", name="crm", **feed))
    Tenants(ledger).pause("acme", "crm")
    add("item", feed="crm")
    idle, other, heads = Queue(ledger), Queue(ledger), turn._heads
    assert claimed(idle) is None
    last = add("item", tenant="zoo")
    monkeypatch.setattr(turn, "_LARGEST_GROUP", 1)

    def meanwhile(session: object, tenants: Sequence[str]) -> object:
        found = heads(session, tenants)  # type: ignore[arg-type]
        monkeypatch.setattr(turn, "_heads", heads)
        Tenants(ledger).resume("acme", "crm")
        assert must_claim(other).job.tenant == "acme"
        return found

    monkeypatch.setattr(turn, "_heads", meanwhile)
    assert claimed(idle) == last
