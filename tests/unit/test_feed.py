"""Feeds in an operator's words: what a file may say, every mistake at once, and what applying it would change."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ingester.domain.errors import UsageError
from ingester.domain.status import Action, DuplicateHandling, HoldHandling, RepeatHandling
from ingester.feed import WORDS, Change, Declared, amended, changes, declare, read, resolved
from ingester.ruleset.model import Catalogue, Entity, Field, RuleSet
from ingester.store.database import now
from ingester.store.ledger_tables import Feed, Tenant


def entity(catalogue: str, name: str, *key: str) -> Entity:
    return Entity(catalogue=catalogue, name=name, primary_key=key, fields=(Field(name="external_id"),), path=Path(name))


RULES = RuleSet(
    {
        "sales": Catalogue(
            "sales", {"customer": entity("sales", "customer", "external_id"), "call": entity("sales", "call")}
        ),
        "stock": Catalogue("stock", {"customer": entity("stock", "customer", "external_id")}),
    }
)
ACME = Tenant(name="acme", catalogues=["sales", "gone"], created_at=now())


def feed(name: str, **words: object) -> Feed:
    return declare(name=name, entity="customer", pattern="*.csv", **words).feed(ACME, RULES)


def test_a_feed_says_nothing_that_it_need_not() -> None:
    found = feed("crm")
    assert {word: getattr(found, word) for word in WORDS} == {
        "name": "crm",
        "catalogue": "sales",
        "entity": "customer",
        "pattern": "*.csv",
        "source": None,
        "action": Action.MERGE,
        "duplicate_handling": DuplicateHandling.IGNORE_ALL,
        "empty_erases": False,
        "removal_guard_percent": 50,
        "on_repeated": RepeatHandling.SKIP,
        "on_renamed": RepeatHandling.SKIP,
        "on_revised": RepeatHandling.IMPORT,
        "on_hold": HoldHandling.BLOCK,
        "schedule": "immediate",
        "window_seconds": 0,
        "blackout": [],
        "settle_seconds": 0,
        "priority": 0,
        "time_limit_seconds": None,
        "expects": None,
        "reads": None,
        "complete_on": None,
    }
    assert found.tenant == "acme"


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ({"entity": "nothing"}, "no entity 'nothing'"),
        ({"entity": "custmer"}, "did you mean 'customer'"),
        ({"entity": "stock.customer"}, "no entity 'stock.customer'"),
        ({"entity": "call", "action": "update"}, "sales.call has no primary key"),
        ({"entity": "call", "action": "delete"}, "sales.call has no primary key"),
        ({"pattern": "inbox/*.csv"}, "inbox/"),
        ({"source": ""}, "'' is not the name of a source"),
        ({"source": " crm"}, "' crm' is not the name of a source"),
    ],
)
def test_a_feed_that_no_file_could_ever_satisfy_is_refused(words: dict[str, str], named: str) -> None:
    with pytest.raises(UsageError, match=named):
        declare(**{"name": "crm", "entity": "customer", "pattern": "*.csv", **words}).feed(ACME, RULES)


@pytest.mark.parametrize("action", ["merge", "overwrite", "create"])
def test_rows_without_a_key_can_still_be_added(action: str) -> None:
    assert declare(name="calls", entity="call", pattern="*", action=action).feed(ACME, RULES).action == action


def test_what_two_catalogues_have_must_be_told_apart() -> None:
    both = Tenant(name="acme", catalogues=["sales", "stock"], created_at=now())
    with pytest.raises(UsageError, match=r"sales\.customer, stock\.customer"):
        declare(name="crm", entity="customer", pattern="*").feed(both, RULES)
    for words in ({"entity": "stock.customer"}, {"entity": "customer", "catalogue": "stock"}):
        assert declare(name="crm", pattern="*", **words).feed(both, RULES).catalogue == "stock"


# --- files -----------------------------------------------------------------------------------------------------------

YAML = """
tenant: acme
feeds:
  - {name: crm, entity: customer, pattern: "crm_*", source: crm, empty_erases: yes}
  - name: full
    entity: sales.customer
    pattern: "full_*"
    action: overwrite
    removal_guard_percent: 20
    duplicate_handling: use_last
"""
TOML = """
tenant = "acme"
[[feeds]]
name = "crm"
entity = "customer"
pattern = "crm_*"
source = "crm"
empty_erases = true
[[feeds]]
name = "full"
entity = "sales.customer"
pattern = "full_*"
action = "overwrite"
removal_guard_percent = 20
duplicate_handling = "use_last"
"""


def written(folder: Path, text: str, name: str = "feeds.yaml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_yaml_and_toml_say_the_same(tmp_path: Path) -> None:
    said = read(written(tmp_path, YAML))
    assert said == read(written(tmp_path, TOML, "feeds.toml"))
    assert said == (
        "acme",
        [
            Declared(name="crm", entity="customer", pattern="crm_*", source="crm", empty_erases=True),
            Declared(
                name="full",
                entity="sales.customer",
                pattern="full_*",
                action=Action.OVERWRITE,
                removal_guard_percent=20,
                duplicate_handling=DuplicateHandling.USE_LAST,
            ),
        ],
    )


def test_a_list_alone_is_nobody_s_yet(tmp_path: Path) -> None:
    tenant, feeds = read(written(tmp_path, "- {name: crm, entity: customer, pattern: '*'}\n"))
    assert (tenant, [each.name for each in feeds]) == (None, ["crm"])
    assert read(written(tmp_path, "feeds: []\n")) == (None, [])


def test_what_a_list_of_feeds_prints_can_be_applied(tmp_path: Path) -> None:
    before = [feed("crm", source="crm"), feed("rest", action="create")]
    printed = [each.model_dump(mode="json", exclude={"id", "tenant"}) for each in before]
    _, again = read(written(tmp_path, json.dumps(printed, indent=2), "feeds.json"))
    assert changes(before, resolved(again, ACME, RULES)) == []


def test_every_mistake_of_a_file_is_named_at_once(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        """
tenant: 7
feed: []
feeds:
  - {name: a, entity: customer, patern: "*"}
  - {name: b, entity: customer, pattern: "*", action: upsert, removal_guard_percent: 101}
  - just words
  - {name: c, entity: customer, pattern: "*"}
  - {name: c, entity: customer, pattern: "*"}
""",
    )
    with pytest.raises(UsageError) as caught:
        read(path)
    text = str(caught.value)
    for part in ("feeds.yaml", "tenant", "'feed'", "feed 1 (a)", "patern", "pattern", "feed 2 (b)", "action"):
        assert part in text
    for part in ("removal_guard_percent", "feed 3", "two feeds are called 'c'"):
        assert part in text
    assert "\n" not in text


@pytest.mark.parametrize(
    ("text", "name", "named"),
    [
        ("feeds: [", "f.yaml", "is not YAML"),
        ("feeds = ", "f.toml", "is not TOML"),
        ("", "f.yaml", "no list of feeds"),
        ("just words", "f.yaml", "no list of feeds"),
        ("feeds: {crm: {}}", "f.yaml", "no list of feeds"),
        ("\0", "f.yaml", "is not YAML"),
    ],
)
def test_a_file_that_is_no_list_of_feeds_is_named(tmp_path: Path, text: str, name: str, named: str) -> None:
    with pytest.raises(UsageError, match=named) as caught:
        read(written(tmp_path, text, name))
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"absent\.yaml cannot be read"):
        read(tmp_path / "absent.yaml")


def test_every_feed_that_the_rules_do_not_allow_is_named() -> None:
    declared = [declare(name=name, entity=entity, pattern="*") for name, entity in (("a", "x"), ("b", "call"))]
    declared.append(declare(name="c", entity="call", pattern="*", action="delete"))
    with pytest.raises(UsageError) as caught:
        resolved(declared, ACME, RULES)
    assert "'a'" in str(caught.value)
    assert "'b'" not in str(caught.value)
    assert "'c'" in str(caught.value)


# --- changes ---------------------------------------------------------------------------------------------------------


def test_what_is_the_same_is_no_change() -> None:
    assert changes([feed("a"), feed("b")], [feed("a"), feed("b")]) == []


def test_what_applying_does_is_told_feed_by_feed() -> None:
    before = [feed("kept"), feed("other"), feed("gone")]
    after = [feed("kept"), feed("other", action="overwrite", source="erp"), feed("new")]
    assert changes(before, after) == [
        Change("other", "changed", {"action": (Action.MERGE, Action.OVERWRITE), "source": (None, "erp")}),
        Change("new", "added"),
        Change("gone", "removed"),
    ]


def test_another_order_is_a_change_since_the_first_match_wins() -> None:
    assert changes([feed("a"), feed("b")], [feed("b"), feed("a")]) == [Change("b", "moved"), Change("a", "moved")]
    assert changes([feed("a"), feed("b")], [feed("new"), feed("a"), feed("b")]) == [Change("new", "added")]


def test_a_feed_from_before_a_word_was_there_is_changed_like_any_other() -> None:
    words = {"catalogue": "stock", "entity": "customer", "pattern": "*", "created_at": now()}
    older = Feed(tenant="acme", name="crm", blackout=None, **words)
    assert amended(older, ["priority=3"]).priority == 3
    assert amended(older, ["blackout=sat,12-24"]).blackout == ("sat", "12-24")


def test_what_comes_beside_files_is_said_word_by_word() -> None:
    said = amended(feed("crm"), ["reads.trailer=TRL|{rows}", "reads.wait=2h", "reads.control={stem}.ctl"])
    assert said.feed(ACME, RULES).reads == {"trailer": "TRL|{rows}", "wait": 7200, "control": "{stem}.ctl"}
    with pytest.raises(UsageError, match=r"reads\.control: .*every file of rows would be one"):
        amended(feed("crm"), ["reads.control={stem}.csv"])
    with pytest.raises(UsageError, match=r"reads\.wait: 'soon' is not a length of time"):
        amended(feed("crm"), ["reads.wait=soon"])
