"""Tenants, keys and feeds: what an operator may ask for, and what is refused in one clear line."""

from __future__ import annotations

import asyncssh
import pytest

from ingester.domain.errors import UsageError
from ingester.domain.status import Origin, Status
from ingester.store.database import now
from ingester.store.ledger import Ledger
from ingester.store.ledger_tables import Drop, Feed, Import
from ingester.store.tenant import Tenants


@pytest.fixture
def ledger(any_ledger: Ledger) -> Ledger:
    return any_ledger


@pytest.fixture
def tenants(ledger: Ledger) -> Tenants:
    tenants = Tenants(ledger)
    tenants.add("acme", ["shop"])
    return tenants


def feed(name: str) -> Feed:
    return Feed(tenant="acme", name=name, catalogue="shop", entity="item", pattern="*.csv", created_at=now())


@pytest.mark.parametrize("name", ["A", "a", "1a", "ä", "a b", "../a", "a" * 64, "docs", "api", "a\n"])
def test_a_name_that_could_mean_something_else_is_refused(tenants: Tenants, name: str) -> None:
    with pytest.raises(UsageError, match="name"):
        tenants.add(name, ["shop"])


@pytest.mark.parametrize("timezone", ["Europe", "Nowhere/Land", "", "../etc/passwd"])
def test_a_time_zone_that_is_none_is_refused(tenants: Tenants, timezone: str) -> None:
    with pytest.raises(UsageError, match="time zone"):
        tenants.add("other", ["shop"], timezone)


def test_a_tenant_is_added_once(tenants: Tenants) -> None:
    with pytest.raises(UsageError, match="acme"):
        tenants.add("acme", ["shop"])


def test_a_removed_tenant_is_gone_and_can_come_back_without_its_keys(tenants: Tenants) -> None:
    public = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    tenants.add_key("acme", public)
    tenants.add_feed(feed("one"))
    tenants.remove("acme")
    assert tenants.find("acme") is None
    assert list(tenants.all()) == []
    with pytest.raises(UsageError, match="there is no tenant 'acme'"):
        tenants.get("acme")
    tenants.add("acme", ["other"], "Europe/Berlin")
    found = tenants.get("acme")
    assert (found.catalogues, found.timezone) == (["other"], "Europe/Berlin")
    assert (list(tenants.keys("acme")), list(tenants.feeds("acme"))) == ([], [])


def test_a_tenant_whose_drops_wait_is_not_removed(tenants: Tenants, ledger: Ledger) -> None:
    at = now()
    drop = Drop(
        id="d", tenant="acme", origin=Origin.SFTP, name="n", size=0, sha256="", location="", shown_folder="",
        shown_name="n", landed_at=at,
    )  # fmt: skip
    job = Import(id="i", short_id="i", tenant="acme", drop_id="d", status=Status.QUEUED, due_at=at, created_at=at)
    ledger.land([(drop, job)])
    with pytest.raises(UsageError, match="not ended"):
        tenants.remove("acme")


def test_a_key_has_the_fingerprint_that_ssh_prints_and_is_added_once(tenants: Tenants) -> None:
    key = asyncssh.generate_private_key("ssh-ed25519", comment="me@home, twice")
    public = key.export_public_key().decode()
    added = tenants.add_key("acme", public)
    assert added.fingerprint == key.get_fingerprint("sha256")
    assert added.comment == "me@home, twice"
    with pytest.raises(UsageError, match="already"):
        tenants.add_key("acme", public)
    tenants.remove_key("acme", added.fingerprint)
    assert list(tenants.keys("acme")) == []
    with pytest.raises(UsageError, match="has no key"):
        tenants.remove_key("acme", added.fingerprint)


def test_feeds_keep_their_order_and_their_names_apart(tenants: Tenants) -> None:
    for name in ("b", "a", "c"):
        tenants.add_feed(feed(name))
    assert [each.name for each in tenants.feeds("acme")] == ["b", "a", "c"]
    with pytest.raises(UsageError, match="already"):
        tenants.add_feed(feed("a"))
    tenants.remove_feed("acme", "b")
    assert [each.name for each in tenants.feeds("acme")] == ["a", "c"]
    with pytest.raises(UsageError, match="has no feed 'b'"):
        tenants.remove_feed("acme", "b")


def words(tenants: Tenants) -> list[tuple[str, str]]:
    return [(each.name, each.pattern) for each in tenants.feeds("acme")]


def test_replaced_feeds_are_those_given_in_their_order_and_keep_when_they_were_made(tenants: Tenants) -> None:
    for name in ("b", "a", "c"):
        tenants.add_feed(feed(name))
    made = tenants.feed("acme", "a").created_at
    new = feed("new")
    again = feed("a")
    again.pattern = "a*.csv"
    before = tenants.replace_feeds("acme", [again, new, feed("b")])
    assert [each.name for each in before] == ["b", "a", "c"]
    assert words(tenants) == [("a", "a*.csv"), ("new", "*.csv"), ("b", "*.csv")]
    assert tenants.feed("acme", "a").created_at == made
    tenants.add_feed(feed("last"))
    assert words(tenants)[-1] == ("last", "*.csv")


def test_feeds_are_replaced_together_or_not_at_all(tenants: Tenants) -> None:
    tenants.add_feed(feed("kept"))
    homeless = feed("broken")
    homeless.pattern = None  # type: ignore[assignment]  # refused by the database, after the others went in
    with pytest.raises(Exception, match=r"(?i)null"):
        tenants.replace_feeds("acme", [feed("new"), homeless])
    assert words(tenants) == [("kept", "*.csv")]


def test_feeds_of_another_tenant_are_left_alone(tenants: Tenants) -> None:
    tenants.add("other", ["shop"])
    theirs = feed("theirs")
    theirs.tenant = "other"
    tenants.add_feed(theirs)
    tenants.replace_feeds("acme", [feed("mine")])
    assert [each.name for each in tenants.feeds("other")] == ["theirs"]


def test_a_feed_that_is_not_there_is_named(tenants: Tenants) -> None:
    with pytest.raises(UsageError, match="no feed 'nothing'"):
        tenants.feed("acme", "nothing")
