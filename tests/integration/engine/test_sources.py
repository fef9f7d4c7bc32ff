"""References to records of the same kind, across sources: the own source goes first, also while it is being made."""

from __future__ import annotations

import pytest

from ingester.ruleset.load import load_folder
from ingester.ruleset.model import RuleSet
from tests.integration.engine.harness import Engine

PERSON = """
name: person
primaryKey: external_id
fields:
  - {name: external_id, constraints: {required: true}}
  - {name: age, type: integer}
  - {name: boss_external_id}
foreignKeys:
  - {fields: boss_external_id, reference: {resource: person, fields: external_id}, scope: tenant}
"""
TEAM = "external_id,age,boss_external_id\nann,,bob\nbob,,\n"


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> RuleSet:
    folder = tmp_path_factory.mktemp("rules")
    (folder / "person.yaml").write_text(PERSON)
    return RuleSet({"staff": load_folder(folder, "staff")})


def bosses(engine: Engine) -> dict[tuple[str, str], tuple[str, str] | None]:
    """The boss of each person; people are named by source and key."""
    people = engine.rows("person")
    names = {row["id"]: (row["source"], row["external_id"]) for row in people}
    return {names[row["id"]]: names.get(row["boss_id"]) for row in people}


@pytest.mark.parametrize("sources", [["crm"], ["crm", "erp"]])
def test_who_comes_with_the_file_goes_before_other_sources_the_first_time_and_later(
    engine: Engine, sources: list[str]
) -> None:
    for source in sources:
        engine.take("persons.csv", "external_id\nbob\n", source=source)
    predicted = engine.take("persons.csv", TEAM, dry_run=True)
    first = engine.take("persons.csv", TEAM)
    assert (predicted.stats, predicted.errors) == (first.stats, first.errors)
    assert (first.stats["created_count"], first.errors) == (2, [])
    assert bosses(engine)["default", "ann"] == ("default", "bob")
    assert engine.take("persons.csv", TEAM).stats["skipped_count"] == 2
    assert bosses(engine)["default", "ann"] == ("default", "bob")


def test_a_reference_moves_to_the_own_source_when_its_record_comes(engine: Engine) -> None:
    engine.take("persons.csv", "external_id\nbob\n", source="crm")
    engine.take("persons.csv", "external_id,boss_external_id\nann,bob\neve,bob\n")
    assert bosses(engine)["default", "ann"] == ("crm", "bob")
    predicted = engine.take("persons.csv", TEAM, dry_run=True)
    moved = engine.take("persons.csv", TEAM)
    assert predicted.stats == moved.stats
    assert (moved.stats["created_count"], moved.stats["updated_count"]) == (1, 1)
    assert bosses(engine)["default", "ann"] == ("default", "bob")
    assert bosses(engine)["default", "eve"] == ("crm", "bob")


def test_a_record_that_does_not_come_after_all_leaves_the_reference_to_the_other_source(engine: Engine) -> None:
    engine.take("persons.csv", "external_id\nbob\n", source="crm")
    report = engine.take("persons.csv", "external_id,age,boss_external_id\nann,,bob\nbob,x,\n")
    assert [line["code"] for line in report.errors] == ["invalid_type"]
    assert bosses(engine) == {("crm", "bob"): None, ("default", "ann"): ("crm", "bob")}


def test_several_sources_are_ambiguous_again_when_the_own_record_does_not_come(engine: Engine) -> None:
    for source in ("crm", "erp"):
        engine.take("persons.csv", "external_id\nbob\n", source=source)
    # Bob's own boss is nobody, which is found out late: whoever leans on him falls with him.
    report = engine.take("persons.csv", "external_id,boss_external_id\nann,bob\nbob,nobody\n")
    assert [(line["row"], line["code"]) for line in report.errors] == [
        ("1", "ambiguous_reference"),
        ("2", "reference_not_found"),
    ]
