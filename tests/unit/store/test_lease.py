"""Leases: one holder at a time, whatever happens to it."""

from __future__ import annotations

import threading
from datetime import timedelta

from ingester.store.database import now
from ingester.store.lease import LEASE, RENEWAL_SECONDS, Leadership
from ingester.store.ledger import Ledger


def test_only_one_of_two_leads_until_it_stops_renewing(any_ledger: Ledger) -> None:
    one, two = Leadership(any_ledger, "scheduler", "one"), Leadership(any_ledger, "scheduler", "two")
    at = now()
    assert one.renew(at)
    assert not two.renew(at)
    assert (one.holds, two.holds) == (True, False)
    assert one.renew(at + timedelta(seconds=RENEWAL_SECONDS))
    assert not two.renew(at + LEASE)
    # A stand-by that looks every few seconds is active within half a minute of the death of the one before.
    assert timedelta(seconds=RENEWAL_SECONDS) + LEASE < timedelta(seconds=30)
    assert two.renew(at + LEASE + timedelta(seconds=RENEWAL_SECONDS))
    assert not one.renew(at + LEASE + timedelta(seconds=RENEWAL_SECONDS))
    assert not one.holds


def test_a_lease_that_is_released_is_free_at_once(any_ledger: Ledger) -> None:
    one, two = Leadership(any_ledger, "scheduler", "one"), Leadership(any_ledger, "scheduler", "two")
    assert one.renew()
    one.release()
    assert not one.holds
    assert two.renew()
    one.release()
    assert two.renew(), "nobody can give away what another holds"


def test_leases_of_other_names_are_others(any_ledger: Ledger) -> None:
    assert Leadership(any_ledger, "scheduler", "one").renew()
    assert Leadership(any_ledger, "watcher", "two").renew()


def test_who_is_alone_takes_over_what_a_killed_one_held(any_ledger: Ledger) -> None:
    assert Leadership(any_ledger, "scheduler", "killed").renew()
    assert Leadership(any_ledger, "scheduler", "next").renew(alone=True)


def test_of_many_that_ask_at_once_one_leads(any_ledger: Ledger) -> None:
    crowd = [Leadership(any_ledger, "scheduler", f"number {number}") for number in range(6)]
    threads = [threading.Thread(target=each.renew) for each in crowd]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(each.holds for each in crowd) == 1
