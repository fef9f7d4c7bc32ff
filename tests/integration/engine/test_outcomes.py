"""What becomes of a whole file: accepted, partly, rejected, held, failed; and of its bytes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ingester.domain.errors import UsageError
from ingester.domain.status import DuplicateHandling, Status
from ingester.ruleset.load import load_folder
from ingester.ruleset.model import RuleSet
from ingester.store.database import now
from ingester.store.ledger_tables import Feed
from tests.integration.engine.harness import Engine
from tests.report import assert_reconciles, reports

ITEMS = "external_id,label\nA,Alpha\nB,Beta\n"
#: The keys of a status file.
TOP = [
    *("schema", "id", "short_id", "run_id", "tenant", "feed", "entity_type", "source", "action", "dry_run", "file"),
    *("detected", "columns", "plan_version", "healed", "status", "outcome", "reason", "duplicate_of", "phases"),
    *("stats", "counts", "not_checked", "errors", "warnings", "files", "parent_id", "resolved_rejects"),
    *("created_at", "started_at", "completed_at"),
]
CUT = "external_id,label,sku\nA,Alpha,1\nB,Be"


def archived(engine: Engine) -> list[str]:
    archive = engine.directory.tenant("acme").archive
    return sorted(path.read_text() for path in archive.rglob("*") if path.is_file())


def test_a_good_file_is_accepted_and_leaves_its_original_and_one_status(engine: Engine) -> None:
    report = engine.take("items.csv", ITEMS)
    assert_reconciles(report)
    assert report.status["outcome"] == "accepted"
    assert report.status["files"] == {"errors": None, "rejects": None}
    assert [path.name for path in engine.directory.tenant("acme").outbox.iterdir()] == [report.path.name]
    assert archived(engine) == [ITEMS]
    assert engine.leftovers() == []
    (job, drop), *_ = engine.ledger.imports()
    assert (engine.directory.root / drop.location).read_text() == ITEMS
    assert [row["external_id"] for row in engine.rows("item")] == ["A", "B"]
    assert {row["import_id"] for row in engine.rows("item")} == {job.id}


def test_the_status_file_has_exactly_the_keys_of_the_contract(engine: Engine) -> None:
    held = engine.take("items_cut.csv", CUT).status
    partial = engine.take("suppliers.csv", "region,code\na,1\nb,x\n").status
    failed = engine.take("remarks.csv", b"").status
    for status in (held, partial, failed):
        # `message` is the sentence of `reason`; readers ignore keys they do not know.
        assert sorted(status) == sorted([*TOP, "message"])
        assert status["schema"] == "ingester.status/1"
        assert sorted(status["file"]) == sorted(["name", "size", "sha256", "origin", "member"])
        assert sorted(status["files"]) == ["errors", "rejects"]
    assert [status["status"] for status in (held, partial, failed)] == ["needs_attention", "completed", "failed"]
    assert sorted(partial["detected"]) == sorted(
        ["format", "container", "encoding", "delimiter", "quote", "header_row", "sheet"]
    )
    assert [sorted(column) for column in partial["columns"]] == [sorted(["column", "field", "matched_by", "score"])] * 2
    phase = ["name", "mode", "status", "total", "processed", "success", "error"]
    assert {tuple(each) for each in partial["phases"]} == {(*phase, "skipped_reason", "started_at", "finished_at")}
    assert list(partial["stats"]) == [f"{what}_rows" for what in ("total", "valid", "error", "duplicate")] + [
        f"{what}_count" for what in ("created", "updated", "skipped", "deleted", "removed")
    ]
    assert partial["counts"] == [{"code": "invalid_type", "field": "code", "severity": "error", "rows": 1}]


def test_a_second_drop_of_the_same_file_changes_no_row(engine: Engine) -> None:
    engine.take("items.csv", ITEMS)
    before = engine.rows("item")
    report = engine.take("items.csv", ITEMS)
    assert_reconciles(report)
    assert report.stats["skipped_count"] == 2
    assert engine.rows("item") == before
    assert len(reports(engine.directory.tenant("acme").outbox)) == 2


def test_a_missing_column_is_said_once_and_rejects_every_row(engine: Engine) -> None:
    report = engine.take("items.csv", "external_id,sku,price\nA,1,2\nB,2,x\n")
    assert_reconciles(report)
    assert (report.status["status"], report.status["outcome"]) == ("completed", "rejected")
    assert report.stats["error_rows"] == report.stats["total_rows"] == 2
    assert [(line["row"], line["field"], line["code"]) for line in report.errors] == [("", "label", "missing_column")]
    assert [row["external_id"] for row in report.rejects] == ["A", "B"]
    assert all("label" in row["_errors"] for row in report.rejects)
    assert engine.rows("item") == []


def test_a_missing_column_rejects_a_file_without_rows_too(engine: Engine) -> None:
    report = engine.take("items.csv", "external_id,sku\n")
    assert (report.status["status"], report.status["outcome"]) == ("completed", "rejected")
    assert [line["code"] for line in report.errors] == ["missing_column"]


def test_two_columns_for_one_field_reject_every_row(engine: Engine) -> None:
    report = engine.take("items.csv", "external_id,label,Title\nA,one,two\n")
    assert_reconciles(report)
    assert [(line["field"], line["code"]) for line in report.errors] == [("label", "duplicate_column")]
    assert engine.rows("item") == []


def test_a_header_without_rows_is_accepted(engine: Engine) -> None:
    report = engine.take("items.csv", "external_id,label\n")
    assert_reconciles(report)
    assert (report.status["outcome"], report.stats["total_rows"]) == ("accepted", 0)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "empty_file"),
        ("external_id,label\nA,Zoë\nB,Jürgen\n".encode() + b"C,\xff\n", "invalid_encoding"),
        (b"PK\x03\x04\x00\x00\x00\x00rest of an archive", "unreadable_file"),
    ],
)
def test_a_file_that_cannot_be_read_fails_and_its_bytes_are_kept(engine: Engine, content: bytes, code: str) -> None:
    job = engine.drop("items.csv", content)
    engine.work()
    status = engine.report(job).status
    assert (status["status"], status["reason"], status["outcome"]) == ("failed", code, None)
    assert status["message"]
    assert status["completed_at"] is not None
    drop = engine.drop_of(job)
    assert drop.location == f"spool/quarantine/{drop.id}"
    assert (engine.directory.root / drop.location).read_bytes() == content
    assert engine.leftovers() == []
    assert engine.rows("item") == []


def test_unknown_columns_are_ignored_with_a_warning_each(engine: Engine) -> None:
    report = engine.take("items.csv", "external_id,label,colour,=size,\nA,Alpha,red,9,x\n")
    assert report.status["outcome"] == "accepted"
    assert [(line["code"], line["severity"], line["value"]) for line in report.errors] == [
        ("unknown_column", "warning", "colour"),
        ("unknown_column", "warning", "'=size"),
    ]
    assert report.status["counts"] == [{"code": "unknown_column", "field": None, "severity": "warning", "rows": 2}]
    assert [warning["value"] for warning in report.status["warnings"]] == ["colour", "=size"]
    assert report.rejects == []


# --- holds -----------------------------------------------------------------------------------------------------------


def test_a_cut_file_is_held_and_imports_once_approved(engine: Engine) -> None:
    job = engine.drop("items.csv", CUT)
    behind = engine.drop("items_2.csv", ITEMS)
    engine.work()
    status = engine.report(job).status
    assert (status["status"], status["reason"], status["outcome"]) == ("needs_attention", "possibly_truncated", None)
    assert "line 3" in status["message"]
    assert engine.rows("item") == []
    assert engine.report(behind).status["status"] == "queued"
    assert sorted(engine.leftovers()) == sorted(engine.drop_of(each).location for each in (job, behind))

    engine.decisions.approve(engine.job(job), engine.drop_of(job))
    assert engine.report(job).status["status"] == "queued"
    engine.work()
    report = engine.report(job)
    assert_reconciles(report)
    assert (report.status["outcome"], report.stats["created_count"]) == ("partial", 1)
    assert [line["code"] for line in report.errors] == ["wrong_cell_count"]
    assert engine.report(behind).status["outcome"] == "accepted"
    assert engine.leftovers() == []


def test_a_held_file_that_is_rejected_is_canceled_and_archived(engine: Engine) -> None:
    job = engine.drop("items.csv", CUT)
    engine.work()
    engine.decisions.cancel(engine.job(job), engine.drop_of(job))
    status = engine.report(job).status
    assert (status["status"], status["reason"]) == ("canceled", "canceled")
    assert status["completed_at"] is not None
    assert archived(engine) == [CUT]
    assert engine.work() == 0
    assert engine.rows("item") == []
    assert engine.leftovers() == []
    with pytest.raises(UsageError):
        engine.decisions.approve(engine.job(job), engine.drop_of(job))


def test_a_file_that_waits_can_be_canceled(engine: Engine) -> None:
    job = engine.drop("items.csv", ITEMS)
    engine.decisions.cancel(engine.job(job), engine.drop_of(job))
    assert engine.work() == 0
    assert engine.job(job).status is Status.CANCELED
    assert archived(engine) == [ITEMS]


def test_an_import_that_runs_can_be_neither_canceled_nor_run_twice(engine: Engine) -> None:
    job = engine.drop("items.csv", ITEMS)
    engine.queue.claim("w")
    for decide in (
        lambda: engine.decisions.cancel(engine.job(job), engine.drop_of(job)),
        lambda: engine.decisions.retry(engine.job(job), engine.drop_of(job)),
        lambda: engine.decisions.approve(engine.job(job), engine.drop_of(job)),
    ):
        with pytest.raises(UsageError, match="processing"):
            decide()
    assert engine.drop_of(job).location.startswith("spool/drops/")


# --- duplicates and unique values ------------------------------------------------------------------------------------

TWICE = "external_id,label\nA,one\nB,b\nA,two\nC,c\nA,three\nC,c\n"


def feed_with(engine: Engine, policy: str) -> str:
    """A source of its own whose feed has this policy; the name that a file must have."""
    feed = Feed(
        tenant="acme", name=policy, catalogue="shop", entity="item", pattern=f"{policy}*.csv", created_at=now(),
        duplicate_handling=DuplicateHandling(policy),
    )  # fmt: skip
    engine.tenants.add_feed(feed)
    return f"{policy}.csv"


@pytest.mark.parametrize(
    ("policy", "kept", "refused"),
    [("ignore_all", None, [1, 3, 5]), ("use_first", "one", [3, 5]), ("use_last", "three", [1, 3])],
)
def test_rows_that_share_a_key_are_kept_as_the_feed_says(
    engine: Engine, policy: str, kept: str | None, refused: list[int]
) -> None:
    report = engine.take(feed_with(engine, policy), TWICE)
    assert_reconciles(report)
    stored = {row["external_id"]: row["label"] for row in engine.rows("item")}
    assert stored == {"B": "b", "C": "c"} | ({"A": kept} if kept else {})
    assert report.stats["duplicate_rows"] == len(refused) + 1
    assert [int(line["row"]) for line in report.errors if line["code"] == "duplicate_row"] == refused
    assert [int(line["row"]) for line in report.errors if line["code"] == "identical_row"] == [6]
    assert [int(row["_row"]) for row in report.rejects] == sorted([*refused, 6])
    (preparsing,) = [phase for phase in report.status["phases"] if phase["name"] == "preparsing"]
    assert (preparsing["total"], preparsing["error"]) == (6, len(refused) + 1)


def test_keys_that_are_equal_once_they_are_typed_are_one_key(engine: Engine) -> None:
    report = engine.take("suppliers.csv", "region,code,label\na,1,x\na,01,y\na,+2,z\n")
    assert_reconciles(report)
    assert report.stats["duplicate_rows"] == 2
    assert [(row["region"], row["code"]) for row in engine.rows("supplier")] == [("a", 2)]


def test_a_file_that_writes_the_numbers_of_its_json_another_way_changes_nothing(engine: Engine) -> None:
    def items(*arrays: str) -> str:
        rows = (f'{number},x,"{array}"\n' for number, array in enumerate(arrays))
        return f"external_id,label,tags\n{''.join(rows)}"

    engine.take("items.csv", items("[1e5]", "[1.0]", "[-0.0,0.50]", "[1e400]", "[12.5e-1]", "[10]"))
    report = engine.take("items.csv", items("[100000]", "[1]", "[0,0.5]", "[0.1e401]", "[1.250]", "[10.01]"))
    assert (report.stats["skipped_count"], report.stats["updated_count"]) == (5, 1)


def test_without_a_key_equal_rows_are_different_records(engine: Engine) -> None:
    report = engine.take("remarks.csv", "text\nsame\nsame\n")
    assert_reconciles(report)
    assert report.stats["created_count"] == len(engine.rows("remark")) == 2


def test_a_unique_value_that_comes_twice_is_refused_on_both_rows(engine: Engine) -> None:
    report = engine.take("items.csv", "external_id,label,sku\nA,a,1\nB,b,2\nC,c,1\nD,d,\nE,e,\n")
    assert_reconciles(report)
    assert [(line["row"], line["code"]) for line in report.errors] == [("1", "not_unique"), ("3", "not_unique")]
    assert [row["external_id"] for row in engine.rows("item")] == ["B", "D", "E"]


def test_a_unique_value_of_a_stored_record_is_taken_until_that_record_gives_it_up(engine: Engine) -> None:
    engine.take("items.csv", "external_id,label,sku\nA,a,1\nB,b,2\n")
    taken = engine.take("items_taken.csv", "external_id,label,sku\nC,c,1\nB,b,\n")
    assert_reconciles(taken)
    assert [(line["row"], line["code"]) for line in taken.errors] == [("1", "value_taken")]
    swapped = engine.take("items_swap.csv", "external_id,label,sku\nA,a,2\nB,b,1\n")
    assert_reconciles(swapped)
    assert swapped.stats["updated_count"] == 2
    moved = engine.take("items_move.csv", "external_id,label,sku\nC,c,2\nA,a,9\n")
    assert_reconciles(moved)
    assert {row["external_id"]: row["sku"] for row in engine.rows("item")} == {"A": "9", "B": "1", "C": "2"}


def test_a_move_that_fails_does_not_free_its_value_for_others(engine: Engine) -> None:
    engine.take("items.csv", "external_id,label,sku\nA,a,1\nB,b,2\nC,c,3\n")
    # C takes B's value, which B gives up for A's, which A gives up in a row that is wrong.
    chain = "external_id,label,sku,price\nA,a,9,wrong\nB,b,1,1\nC,c,2,1\n"
    report = engine.take("items_chain.csv", chain)
    assert_reconciles(report)
    assert [(line["row"], line["code"]) for line in report.errors] == [
        ("1", "invalid_type"),
        ("2", "value_taken"),
        ("3", "value_taken"),
    ]
    assert {row["external_id"]: row["sku"] for row in engine.rows("item")} == {"A": "1", "B": "2", "C": "3"}


def test_the_same_values_of_other_tenants_and_sources_do_not_count(engine: Engine) -> None:
    engine.add_tenant("other")
    content = "external_id,label,sku\nA,a,1\n"
    engine.take("items.csv", content)
    assert engine.take("items.csv", content, tenant="other").stats["created_count"] == 1


# --- references ------------------------------------------------------------------------------------------------------


def test_orphans_are_refused_and_children_of_refused_parents_with_them(engine: Engine) -> None:
    content = (
        "external_id,label,parent_external_id\n"
        "grandchild,g,child\nchild,c,parent\nparent,,\norphan,o,nobody\nfree,f,\nown,o,own\n"
    )
    report = engine.take("categories.csv", content)
    assert_reconciles(report)
    assert [(line["row"], line["code"], line["value"]) for line in report.errors] == [
        ("1", "reference_not_found", "child"),
        ("2", "reference_not_found", "parent"),
        ("3", "required", ""),
        ("4", "reference_not_found", "nobody"),
    ]
    assert [row["external_id"] for row in engine.rows("category")] == ["free", "own"]


def test_a_composite_reference_is_found_or_reported_as_a_whole(engine: Engine) -> None:
    engine.take("suppliers.csv", "region,code\nnorth,1\nsouth,2\n")
    content = "external_id,label,supplier_region,supplier_code\nA,a,north,01\nB,b,north,2\nC,c,north,\nD,d,,\n"
    report = engine.take("items.csv", content)
    assert_reconciles(report)
    assert [(line["row"], line["field"], line["code"], line["value"]) for line in report.errors] == [
        ("2", "supplier_region|supplier_code", "reference_not_found", "north|2"),
        ("3", "supplier_region|supplier_code", "incomplete_reference", "north|"),
    ]
    (north, _) = engine.rows("supplier")
    assert [(row["external_id"], row["supplier_id"]) for row in engine.rows("item")] == [
        ("A", north["id"]),
        ("D", None),
    ]


def test_parents_and_children_that_arrive_in_the_wrong_order_import_in_the_right_one(engine: Engine) -> None:
    child = engine.drop("items.csv", "external_id,label,category_external_id\nA,a,K\n")
    parent = engine.drop("categories.csv", "external_id,label\nK,k\n")
    engine.work()
    for job in (child, parent):
        assert_reconciles(engine.report(job))
        assert engine.report(job).status["outcome"] == "accepted"


# --- many blocks -----------------------------------------------------------------------------------------------------


def test_rows_are_told_apart_across_blocks(engine: Engine) -> None:
    """A file of several blocks of 64 KiB; what belongs together is in different ones."""
    pad = "x" * 150
    rows = [f"k{number},{pad},s{number},{number}" for number in range(3000)]
    rows[10] = f'k10,"two\nlines {pad}",s10,10'
    rows[2500] = f"k17,{pad} other,s2500,1"  # the key of row 18, far before
    rows[2600] = f"k2600,{pad},s20,1"  # the unique value of row 21
    rows[2700] = rows[2]  # byte-identical
    rows[1500] = f"k1500,{pad},s1500,many"
    rows[1501] = f"k1501,{pad}"
    content = "external_id,label,sku,stock\n" + "\n".join(rows) + "\n"
    assert len(content) > 7 * 2**16
    report = engine.take("items.csv", content)
    assert_reconciles(report)
    assert [(int(line["row"]), line["code"]) for line in report.errors] == [
        (18, "duplicate_row"),
        (21, "not_unique"),
        (1501, "invalid_type"),
        (1502, "wrong_cell_count"),
        (2501, "duplicate_row"),
        (2601, "not_unique"),
        (2701, "identical_row"),
    ]
    assert [int(line["line"]) for line in report.errors][:3] == [20, 23, 1503]
    assert report.stats["created_count"] == len(engine.rows("item")) == 2993
    assert [int(row["_row"]) for row in report.rejects] == [18, 21, 1501, 1502, 2501, 2601, 2701]
    again = engine.take("items.csv", content)
    assert again.stats["skipped_count"] == 2993


# --- rules that change -----------------------------------------------------------------------------------------------


def test_a_service_whose_rules_gained_a_field_goes_on_with_the_rows_it_has(engine: Engine, tmp_path: Path) -> None:
    engine.take("remarks.csv", "text\nfirst\n")
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "remark.yaml").write_text(
        "name: remark\ntitle: Remarks\nfields:\n  - {name: text}\n  - {name: score, type: integer}\n"
        "  - {name: mood, default: calm}\n"
    )
    engine.close()
    wider = Engine(engine.directory.root, RuleSet({"shop": load_folder(folder)}), database=engine.database)
    wider.take("remarks.csv", "text,mood\nsecond,\n")
    assert [(row["text"], row["mood"]) for row in wider.rows("remark")] == [("first", None), ("second", "calm")]
    engine.restart_intake()
    wider.close()


def test_the_first_25_notices_are_in_the_status_file_and_all_in_the_errors_csv(engine: Engine) -> None:
    content = "external_id,label,stock,unknown\n" + "".join(f"k{n},,x,\n" for n in range(30))
    report = engine.take("items.csv", content)
    assert_reconciles(report)
    assert len(report.errors) == 61
    assert len(report.status["errors"]) == 25
    assert len(report.status["warnings"]) == 1
    assert {entry["row"] for entry in report.status["errors"]} == set(range(1, 14))
    assert json.dumps(report.status["errors"][0]) == json.dumps(
        {
            "row": 1,
            "line": 2,
            "key": "k0",
            "field": "label",
            "code": "required",
            "message": "Field is required",
            "hint": "Fill in a value.",
            "value": "",
        }
    )


def test_what_waits_behind_a_held_import_says_so(engine: Engine) -> None:
    before = engine.drop("items.csv", "external_id,label\nA,a\nB")
    behind = engine.drop("items_2.csv", "external_id,label\nC,c\n")
    engine.work()
    after = engine.drop("items_3.csv", "external_id,label\nD,d\n")
    engine.work()
    for job in (behind, after):
        status = engine.report(job).status
        assert (status["status"], status["reason"]) == ("queued", "waits_for_decision")
        assert before.short_id in status["message"]
    engine.decisions.cancel(engine.job(before), engine.drop_of(before))
    engine.work()
    assert {engine.report(job).status["status"] for job in (behind, after)} == {"completed"}
