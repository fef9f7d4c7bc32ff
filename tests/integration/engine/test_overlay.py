"""A tenant's own rules: narrower than the catalogue's, with fields of its own, for this tenant alone."""

from __future__ import annotations

import json

import pytest

from ingester.routing import Router
from ingester.ruleset.mistake import RuleErrors
from ingester.tenancy import prepare_tenant
from tests.integration.engine.harness import Engine

OVERLAY = """
extends: shop.item
fields:
  - {name: price, constraints: {maximum: 100}}
  - {name: colour, constraints: {enum: [red, green]}, description: Ours., example: red}
  - {name: weight, type: number, description: In grams., example: 12.5}
"""
HEADER = "external_id,label,price,colour,weight\n"


@pytest.fixture
def own(engine: Engine) -> Engine:
    rules = engine.directory.tenant("acme").rules
    rules.mkdir()
    (rules / "item.yaml").write_text(OVERLAY)
    engine.add_tenant("other")
    return engine


def extra(engine: Engine) -> list[dict[str, object] | None]:
    return [row["extra"] and json.loads(row["extra"]) for row in engine.rows("item")]


def test_a_tenants_own_fields_are_checked_and_kept_as_extra(own: Engine) -> None:
    report = own.take("items.csv", f"{HEADER}A,a,1,red,12.50\nB,b,2,blue,1\nC,c,3,,\n")
    assert [(line["row"], line["field"], line["code"]) for line in report.errors] == [
        ("2", "colour", "invalid_enum_value")
    ]
    assert [value and {name: str(each) for name, each in value.items()} for value in extra(own)] == [
        {"colour": "red", "weight": "12.5"},
        None,
    ]


def test_a_narrowed_field_is_narrow_for_this_tenant_alone(own: Engine) -> None:
    content = "external_id,label,price\nA,a,101\n"
    assert [line["code"] for line in own.take("items.csv", content).errors] == ["above_maximum"]
    assert own.take("items.csv", content, tenant="other").status["outcome"] == "accepted"
    report = own.take("items.csv", f"{HEADER}B,b,1,red,1\n", tenant="other")
    assert {line["code"] for line in report.errors} == {"unknown_column"}


def test_an_own_field_changes_without_touching_the_others(own: Engine) -> None:
    own.take("items.csv", f"{HEADER}A,a,1,red,12.5\n")
    assert own.take("items.csv", f"{HEADER}A,a,1,red,12.5\n").stats["skipped_count"] == 1
    predicted = own.take("items.csv", f"{HEADER}A,a,1,green,\n", dry_run=True)
    changed = own.take("items.csv", f"{HEADER}A,a,1,green,\n")
    assert changed.stats == predicted.stats
    assert changed.stats["updated_count"] == 1
    (value,) = extra(own)
    assert value is not None
    assert (value["colour"], str(value["weight"])) == ("green", "12.5")


def test_an_empty_cell_of_an_own_field_erases_it_where_the_feed_says_so(own: Engine) -> None:
    own.take("items.csv", f"{HEADER}A,a,1,red,12.5\nB,b,1,red,\n")
    for dry_run in (True, False):
        report = own.take("items.csv", f"{HEADER}A,a,1,,12.5\nB,b,1,,\nC,c,1,,\n", empty_erases=True, dry_run=dry_run)
        assert (report.stats["created_count"], report.stats["updated_count"]) == (1, 2)
    assert [value and list(value) for value in extra(own)] == [["weight"], None, None]


def test_a_mistake_in_a_tenants_rules_names_file_and_line(own: Engine) -> None:
    (own.directory.tenant("acme").rules / "item.yaml").write_text(OVERLAY + "  - {name: label, type: integer}\n")
    with pytest.raises(RuleErrors, match=r"item\.yaml:7: .*label"):
        prepare_tenant(own.directory, Router(own.rules), own.tenants.get("acme"))


def test_the_docs_of_a_tenant_show_its_own_fields(own: Engine) -> None:
    prepare_tenant(own.directory, Router(own.rules), own.tenants.get("acme"))
    assert "colour" in (own.directory.tenant("acme").docs / "item.md").read_text()
    assert "colour" not in (own.directory.tenant("other").docs / "item.md").read_text()
