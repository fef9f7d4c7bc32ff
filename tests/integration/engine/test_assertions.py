"""The rules' own checks hold of the record that an import makes, not of what its file happens to say."""

from __future__ import annotations

import pytest

from ingester.domain.status import Action
from ingester.ruleset.load import load_folder
from ingester.ruleset.model import RuleSet
from tests.integration.engine.harness import Engine
from tests.report import Report, assert_reconciles

PLAN = """
name: plan
primaryKey: external_id
fields:
  - {name: external_id, constraints: {required: true}}
  - {name: status, default: open, constraints: {enum: [open, won]}}
  - {name: starts_on, type: date}
  - {name: ends_on, type: date}
  - {name: opens_at, type: time}
  - {name: closes_at, type: time}
  - {name: sent_at, type: datetime}
  - {name: read_at, type: datetime}
  - {name: low, type: number}
  - {name: high, type: number}
  - {name: many, type: integer}
  - {name: active, type: boolean}
  - {name: tags, type: list}
  - {name: period, type: yearmonth}
checks:
  - {code: ends_first, assert: ends_on >= starts_on, message: Ends before it starts}
  - {code: closes_first, assert: closes_at > opens_at, message: Closes before it opens}
  - {code: read_first, assert: read_at >= sent_at, message: Read before it was sent}
  - {code: upside_down, assert: high >= low and many >= low, message: Low is not}
  - {code: open_end, assert: status != 'won' or ends_on is not None, message: A won plan has an end}
  - {code: inactive_tags, assert: active or tags is None or len(tags) < 2, message: Too many tags}
  - {code: old_period, assert: period > '2020-01' or not active, message: Too old}
  - code: nothing
    assert: coalesce(low, high, many) is not None or starts_on is not None
    fields: [low]
    message: No number and no date
"""
OVERLAY = """
extends: crm.plan
fields:
  - {name: weight, type: number, description: Ours., example: 1}
  - {name: checked_at, type: datetime, description: Ours., example: "2024-01-01T00:00:00Z"}
  - {name: sealed, type: boolean, description: Ours., example: true}
  - {name: grade, description: Ours., example: AZ}
checks:
  - {code: too_heavy, assert: weight <= high, message: Too heavy}
  - {code: checked_early, assert: checked_at >= sent_at, message: Checked too early}
  - {code: low_grade, assert: grade == 'AZ' or many < 5, message: Too many for its grade}
  - {code: unsealed, assert: not sealed or weight is not None, message: Sealed without a weight}
"""
FULL = {
    "external_id": "A",
    "status": "open",
    "starts_on": "2024-03-10",
    "ends_on": "2024-03-20",
    "opens_at": "08:00:00",
    "closes_at": "17:30:00",
    "sent_at": "2024-03-10T10:00:00Z",
    "read_at": "2024-03-10T12:00:00.5Z",
    "low": "1.50",
    "high": "20000000000000000001.25",
    "many": "7",
    "active": "false",
    "tags": "a",
    "period": "2024-03",
}


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> RuleSet:
    folder = tmp_path_factory.mktemp("rules")
    (folder / "plan.yaml").write_text(PLAN)
    return RuleSet({"crm": load_folder(folder, "crm")})


def take(engine: Engine, action: Action = Action.MERGE, *, erases: bool = False, **cells: str) -> list[str]:
    """Import one row, dry first; the codes that it has both times."""
    text = f"{','.join(cells)}\n{','.join(cells.values())}\n"
    dry, live = (
        engine.take("plans.csv", text, action=action, empty_erases=erases, dry_run=dry_run) for dry_run in (True, False)
    )
    assert codes(dry) == codes(live)
    assert_reconciles(live)
    return codes(live)


def codes(report: Report) -> list[str]:
    return [line["code"] for line in report.errors]


@pytest.mark.parametrize(
    ("cells", "code"),
    [
        ({"starts_on": "2024-03-21"}, "ends_first"),
        ({"ends_on": "2024-03-09", "starts_on": ""}, "ends_first"),
        ({"closes_at": "07:59:59.9"}, "closes_first"),
        ({"sent_at": "2024-03-10T12:00:00.6Z"}, "read_first"),
        ({"low": "20000000000000000001.26"}, "upside_down"),
        ({"high": "1.49"}, "upside_down"),
        ({"many": "1"}, "upside_down"),
        ({"tags": '"x,y"'}, "inactive_tags"),
        ({"active": "true", "period": "2020-01"}, "old_period"),
    ],
)
def test_a_partial_row_is_checked_together_with_what_its_record_keeps(
    engine: Engine, cells: dict[str, str], code: str
) -> None:
    assert take(engine, **FULL) == []
    assert take(engine, external_id="A", **cells) == [code]
    assert take(engine, Action.UPDATE, external_id="A", **cells) == [code]
    assert take(engine, Action.OVERWRITE, external_id="A", **cells) == [code]
    # As a record of its own it is fine, but for what every new record needs.
    assert set(take(engine, external_id="B", **cells)) <= {"nothing"} | ({code} if code == "old_period" else set())


@pytest.mark.parametrize(
    "cells", [{"ends_on": "2024-03-10"}, {"low": "1.499", "high": "7"}, {"tags": "b"}, {"period": "2020-01"}]
)
def test_a_partial_row_that_makes_a_right_record_is_imported(engine: Engine, cells: dict[str, str]) -> None:
    assert take(engine, **FULL) == []
    assert take(engine, external_id="A", **cells) == []


def test_a_cell_left_empty_says_nothing_unless_it_erases(engine: Engine) -> None:
    assert take(engine, **FULL) == []
    assert take(engine, external_id="A", status="won", ends_on="") == []
    assert take(engine, external_id="A", status="won", ends_on="", erases=True) == ["open_end"]
    assert take(engine, external_id="A", status="", ends_on="", erases=True) == []


def test_a_new_record_is_checked_with_its_defaults(engine: Engine) -> None:
    assert take(engine, external_id="A", low="1") == []
    assert take(engine, external_id="B", status="won", low="1") == ["open_end"]
    assert take(engine, Action.CREATE, external_id="B", status="won", low="1") == ["open_end"]


def test_a_new_record_fails_a_check_of_which_its_file_has_no_column(engine: Engine) -> None:
    assert take(engine, external_id="A", status="open") == ["nothing"]
    assert take(engine, external_id="A", many="1") == []
    assert take(engine, external_id="A", starts_on="2024-01-01") == []


def test_an_update_of_a_record_that_is_not_there_is_told_so_and_no_more(engine: Engine) -> None:
    assert take(engine, Action.UPDATE, external_id="A", status="won") == ["not_found"]


def test_another_sources_record_of_the_same_key_is_not_asked(engine: Engine) -> None:
    text = ",".join(FULL) + "\n" + ",".join(FULL.values()) + "\n"
    assert codes(engine.take("plans.csv", text, source="other")) == []
    assert take(engine, external_id="A", starts_on="2024-03-21", low="1") == []


def test_checks_count_where_they_belong(engine: Engine) -> None:
    report = engine.take("plans.csv", "external_id,low,high\nA,2,1\nB,x,1\nC,1,2\n")
    phases = {phase["name"]: (phase["total"], phase["error"]) for phase in report.status["phases"]}
    assert (phases["prevalidation"], phases["validation"]) == ((3, 1), (2, 1))
    assert report.stats["created_count"] == 1


def test_a_tenants_own_fields_are_asked_for_as_well(engine: Engine) -> None:
    rules = engine.directory.tenant("acme").rules
    rules.mkdir()
    (rules / "plan.yaml").write_text(OVERLAY)
    own = {"weight": "12.50", "checked_at": "2024-03-10T10:00:00.25Z", "sealed": "true", "grade": "AZ"}
    assert take(engine, **FULL, **own) == []
    assert take(engine, external_id="A", low="1", high="12.49") == ["too_heavy"]
    assert take(engine, external_id="A", sent_at="2024-03-10T10:00:01Z") == ["checked_early"]
    assert take(engine, external_id="A", weight="", sealed="", low="2", erases=True) == []
    assert take(engine, external_id="A", sealed="true") == ["unsealed"]
    assert take(engine, external_id="A", many="8") == []
    assert take(engine, external_id="A", grade="A") == ["low_grade"]


def test_a_row_that_says_nothing_of_a_check_leaves_a_record_that_fails_it_alone(engine: Engine) -> None:
    assert take(engine, external_id="A", high="9") == []
    low = "external_id,low\nA,1\n"
    engine.take("plans.csv", low)
    with engine.store.writing() as connection:
        connection.exec_driver_sql("UPDATE crm__plan SET low = '10'")
    assert take(engine, external_id="A", status="won", ends_on="2024-01-01", low="", high="") == []
    assert take(engine, external_id="A", low="", high="9") == ["upside_down"]


def test_the_value_of_an_error_of_several_fields_keeps_their_places(engine: Engine) -> None:
    take(engine, external_id="A", low="9")
    report = engine.take("plans.csv", "external_id,high\nA,3\n")
    assert [(line["field"], line["value"]) for line in report.errors] == [("high|low|many", "3||")]


def test_many_rows_are_decided_block_by_block(engine: Engine) -> None:
    ends = "".join(f"k{number},2024-03-20,1\n" for number in range(5_000))
    assert codes(engine.take("plans.csv", f"external_id,ends_on,low\n{ends}")) == []
    starts = "".join(f"k{number},2024-03-{19 + number % 3}\n" for number in range(5_000))
    report = engine.take("plans.csv", f"external_id,starts_on\n{starts}")
    assert [int(line["row"]) for line in report.errors] == [row for row in range(1, 5_001) if row % 3 == 0]
    assert {line["code"] for line in report.errors} == {"ends_first"}
