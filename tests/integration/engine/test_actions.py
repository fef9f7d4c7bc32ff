"""What each action does with the records of its file, on either database."""

from __future__ import annotations

import pytest

from ingester.domain.status import Action, DuplicateHandling
from tests.integration.engine.harness import Engine
from tests.report import Report, assert_reconciles

ITEMS = "external_id,label,price\nA,a,1\nB,b,2\nC,c,3\n"


def codes(report: Report) -> list[tuple[str, str]]:
    """Row and code of each notice."""
    return [(line["row"], line["code"]) for line in report.errors]


def keys(engine: Engine, entity: str = "item", tenant: str = "acme") -> list[str]:
    return [row["external_id"] for row in engine.rows(entity, tenant=tenant)]


def counts(report: Report) -> dict[str, int]:
    """The counts that are not zero."""
    assert_reconciles(report)
    return {name.removesuffix("_count"): n for name, n in report.stats.items() if name.endswith("_count") and n}


# --- create and update -----------------------------------------------------------------------------------------------


def test_create_refuses_the_rows_whose_record_exists(engine: Engine) -> None:
    engine.take("items.csv", "external_id,label\nB,mine\n")
    report = engine.take("items.csv", ITEMS, action=Action.CREATE)
    assert codes(report) == [("2", "already_exists")]
    assert counts(report) == {"created": 2}
    assert {row["external_id"]: row["label"] for row in engine.rows("item")} == {"A": "a", "B": "mine", "C": "c"}


def test_update_refuses_the_rows_whose_record_does_not_exist(engine: Engine) -> None:
    engine.take("items.csv", "external_id,label,price\nA,a,1\nB,b,9\n")
    report = engine.take("items.csv", ITEMS, action=Action.UPDATE)
    assert codes(report) == [("3", "not_found")]
    assert counts(report) == {"updated": 1, "skipped": 1}
    assert keys(engine) == ["A", "B"]


def test_update_needs_only_the_key_and_applies_no_defaults(engine: Engine) -> None:
    engine.take("items.csv", "external_id,label,stock\nA,a,3\n")
    report = engine.take("items.csv", "external_id,label,stock,price\nA,,,5\n", action=Action.UPDATE)
    assert counts(report) == {"updated": 1}
    (row,) = engine.rows("item")
    assert (row["label"], row["stock"], row["price"]) == ("a", 3, "5")
    assert counts(engine.take("items.csv", "external_id,price\nA,6\n", action=Action.UPDATE)) == {"updated": 1}


# --- what an empty cell does -----------------------------------------------------------------------------------------


def test_an_empty_cell_leaves_the_value_unless_the_feed_says_that_it_erases(engine: Engine) -> None:
    engine.take("categories.csv", "external_id,label\nK,k\n")
    engine.take("items.csv", "external_id,label,price,category_external_id\nA,a,1,K\n")
    content = "external_id,label,price,category_external_id\nA,a,,\n"
    assert counts(engine.take("items.csv", content)) == {"skipped": 1}
    assert counts(engine.take("items.csv", content, empty_erases=True, dry_run=True)) == {"updated": 1}
    assert counts(engine.take("items.csv", content, empty_erases=True)) == {"updated": 1}
    (row,) = engine.rows("item")
    assert (row["label"], row["price"], row["category_external_id"], row["category_id"]) == ("a", None, None, None)
    assert counts(engine.take("items.csv", content, empty_erases=True)) == {"skipped": 1}


def test_an_absent_column_is_left_alone_even_where_empty_cells_erase(engine: Engine) -> None:
    engine.take("items.csv", ITEMS)
    assert counts(engine.take("items.csv", "external_id,label\nA,a\n", empty_erases=True)) == {"skipped": 1}


# --- delete ----------------------------------------------------------------------------------------------------------


def test_delete_takes_out_the_named_records_and_looks_at_nothing_but_the_key(engine: Engine) -> None:
    engine.take("items.csv", ITEMS)
    report = engine.take("items.csv", "external_id,price\nA,not a number\nX,\nC,1\n", action=Action.DELETE)
    assert codes(report) == [("2", "not_found")]
    assert counts(report) == {"deleted": 2}
    assert keys(engine) == ["B"]


def test_delete_touches_no_other_tenant_and_no_other_source(engine: Engine) -> None:
    engine.add_tenant("other")
    engine.take("items.csv", ITEMS, tenant="other")
    engine.take("items.csv", ITEMS, source="crm")
    report = engine.take("items.csv", "external_id\nA\n", action=Action.DELETE)
    assert codes(report) == [("1", "not_found")]
    assert len(engine.rows("item", tenant=None)) == 6


def test_a_record_that_others_refer_to_is_not_deleted(engine: Engine) -> None:
    engine.take("categories.csv", "external_id,label\nK,k\nL,l\n")
    engine.take("items.csv", "external_id,label,category_external_id\nA,a,K\n")
    report = engine.take("categories.csv", "external_id\nK\nL\n", action=Action.DELETE)
    assert codes(report) == [("1", "still_referenced")]
    assert "item" in report.errors[0]["message"]
    assert keys(engine, "category") == ["K"]


def test_a_parent_is_deleted_together_with_its_children_but_not_without_them(engine: Engine) -> None:
    engine.take("categories.csv", "external_id,label,parent_external_id\nP,p,\nC,c,P\nG,g,C\nO,o,O\n")
    report = engine.take("categories.csv", "external_id\nP\nC\n", action=Action.DELETE)
    # G stays, so C has to, and therefore P.
    assert codes(report) == [("1", "still_referenced"), ("2", "still_referenced")]
    report = engine.take("categories.csv", "external_id\nP\nC\nG\nO\n", action=Action.DELETE)
    assert counts(report) == {"deleted": 4}


# --- overwrite -------------------------------------------------------------------------------------------------------


def overwrite(engine: Engine, content: str, name: str = "items.csv", **policy: object) -> Report:
    return engine.take(name, content, action=Action.OVERWRITE, **policy)


def test_overwrite_removes_what_is_not_in_the_file_of_its_own_source_only(engine: Engine) -> None:
    engine.add_tenant("other")
    engine.take("items.csv", ITEMS, tenant="other")
    engine.take("items.csv", ITEMS, source="crm")
    engine.take("items.csv", ITEMS)
    report = overwrite(engine, "external_id,label,price\nA,a,1\nB,new,2\nD,d,4\n")
    assert counts(report) == {"created": 1, "updated": 1, "skipped": 1, "removed": 1}
    mine = [r["external_id"] for r in engine.rows("item") if r["source"] == "default"]
    assert sorted(mine) == ["A", "B", "D"]
    assert len(engine.rows("item", tenant=None)) == 9


def test_rejected_and_duplicate_rows_protect_their_records(engine: Engine) -> None:
    engine.take("items.csv", ITEMS)
    report = overwrite(engine, "external_id,label,price\nA,a,not a number\nB,x,1\nB,y,2\nC,c,3\n")
    assert counts(report) == {"skipped": 1}
    assert keys(engine) == ["A", "B", "C"]


@pytest.mark.parametrize("row", [",a,1", "A,a,1,too many"], ids=["empty key", "wrong cell count"])
def test_a_row_whose_key_cannot_be_read_keeps_every_record(engine: Engine, row: str) -> None:
    engine.take("items.csv", ITEMS)
    report = overwrite(engine, f"external_id,label,price\n{row}\nB,b,2\n")
    assert counts(report) == {"skipped": 1}
    assert ("", "cleanup_skipped") in codes(report)
    assert keys(engine) == ["A", "B", "C"]


def test_an_overwrite_that_would_remove_most_records_waits_for_a_decision(engine: Engine) -> None:
    engine.take("items.csv", ITEMS)
    report = overwrite(engine, "external_id,label\nA,a\n")
    assert (report.status["status"], report.status["reason"]) == ("needs_attention", "mass_removal")
    assert "2 of 3" in report.status["message"]
    assert keys(engine) == ["A", "B", "C"]
    engine.decisions.approve(*engine.ledger.import_(report.status["id"]))
    engine.work()
    report = engine.report(engine.ledger.import_(report.status["id"])[0])
    assert counts(report) == {"skipped": 1, "removed": 2}
    assert keys(engine) == ["A"]


def test_a_dry_run_warns_where_the_import_would_wait(engine: Engine) -> None:
    engine.take("items.csv", ITEMS)
    report = overwrite(engine, "external_id,label\nA,a\n", dry_run=True)
    assert counts(report) == {"skipped": 1, "removed": 2}
    assert ("", "mass_removal") in codes(report)
    assert keys(engine) == ["A", "B", "C"]


def test_a_feed_may_switch_the_guard_off(engine: Engine) -> None:
    engine.take("items.csv", ITEMS)
    assert counts(overwrite(engine, "external_id,label\nA,a\n", removal_guard_percent=100)) == {
        "skipped": 1,
        "removed": 2,
    }


def test_an_overwrite_without_rows_is_held_whatever_the_guard(engine: Engine) -> None:
    engine.take("items.csv", ITEMS)
    report = overwrite(engine, "external_id,label\n", removal_guard_percent=100)
    assert (report.status["status"], report.status["reason"]) == ("needs_attention", "empty_overwrite")
    assert keys(engine) == ["A", "B", "C"]


def test_an_overwrite_without_the_key_column_removes_nothing(engine: Engine) -> None:
    engine.take("items.csv", ITEMS)
    report = overwrite(engine, "label\na\n", removal_guard_percent=100)
    assert report.status["outcome"] == "rejected"
    assert keys(engine) == ["A", "B", "C"]


def test_a_record_that_others_refer_to_stays_with_a_notice(engine: Engine) -> None:
    engine.take("categories.csv", "external_id,label\nK,k\nL,l\nM,m\n")
    engine.take("items.csv", "external_id,label,category_external_id\nA,a,K\n")
    for dry_run in (True, False):
        report = overwrite(engine, "external_id,label\nM,m\n", "categories.csv", dry_run=dry_run)
        assert counts(report) == {"skipped": 1, "removed": 1}
        assert [(line["code"], line["value"]) for line in report.errors] == [("kept_referenced", "K")]
    assert keys(engine, "category") == ["K", "M"]


@pytest.mark.parametrize("dry_run", [True, False])
def test_an_overwrite_judges_references_by_the_state_after_it(engine: Engine, dry_run: bool) -> None:
    engine.take("categories.csv", "external_id,label,parent_external_id\nP,p,\nQ,q,\nR,r,\nS,s,R\nC,c,P\n")
    # C leaves P for Q, so P may go; S stays for its bad row, and so does R.
    content = "external_id,label,parent_external_id\nC,c,Q\nS,,\nQ,q,\n"
    report = overwrite(engine, content, "categories.csv", dry_run=dry_run)
    assert counts(report) == {"updated": 1, "skipped": 1, "removed": 1}
    kept = [line["value"] for line in report.errors if line["code"] == "kept_referenced"]
    assert kept == ["R"]
    if not dry_run:
        assert sorted(keys(engine, "category")) == ["C", "Q", "R", "S"]


def test_an_overwrite_of_an_entity_without_a_key_replaces_what_earlier_imports_made(engine: Engine) -> None:
    engine.take("remarks.csv", "text,score\nold,1\nolder,2\n")
    for dry_run in (True, False):
        report = overwrite(engine, "text,score\nnew,1\n", "remarks.csv", removal_guard_percent=100, dry_run=dry_run)
        assert counts(report) == {"created": 1, "removed": 2}
    assert [row["text"] for row in engine.rows("remark")] == ["new"]


# --- duplicates ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("policy", "price"), [("ignore_all", "0"), ("use_first", "1"), ("use_last", "2")])
def test_a_policy_says_which_row_of_one_key_is_used(engine: Engine, policy: str, price: str) -> None:
    engine.take("items.csv", "external_id,label,price\nA,a,0\n")
    content = "external_id,label,price\nA,a,1\nA,a,2\n"
    report = engine.take("items.csv", content, action=Action.UPDATE, duplicate_handling=DuplicateHandling(policy))
    assert report.stats["duplicate_rows"] == (2 if policy == "ignore_all" else 1)
    assert engine.rows("item")[0]["price"] == price


# --- what a review found ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dry_run", [True, False])
def test_new_records_do_not_make_a_complete_replacement_look_small(engine: Engine, dry_run: bool) -> None:
    engine.take("items.csv", ITEMS)
    report = overwrite(engine, "external_id,label\nX,x\nY,y\nZ,z\n", dry_run=dry_run)
    if dry_run:
        assert ("", "mass_removal") in codes(report)
    else:
        assert report.status["reason"] == "mass_removal"
    assert "3 of 3" in (report.status["message"] or report.errors[0]["message"])


@pytest.mark.parametrize(("texts", "held"), [("abcdefgh", False), ("abc", True)])
def test_without_a_key_the_guard_looks_at_how_many_fewer_records_there_will_be(
    engine: Engine, texts: str, held: bool
) -> None:
    engine.take("remarks.csv", "text\n" + "".join(f"{number}\n" for number in range(9)))
    report = overwrite(engine, "text\n" + "".join(f"{text}\n" for text in texts), "remarks.csv")
    assert report.status["reason"] == ("mass_removal" if held else None)


def test_a_dry_run_of_an_overwrite_without_rows_says_what_it_would_wait_for(engine: Engine) -> None:
    engine.take("items.csv", ITEMS)
    report = overwrite(engine, "external_id,label\n", dry_run=True)
    assert ("", "empty_overwrite") in codes(report)


def test_an_update_may_not_erase_what_is_required(engine: Engine) -> None:
    engine.take("items.csv", ITEMS)
    report = engine.take("items.csv", "external_id,label\nA,\nB,new\n", action=Action.UPDATE, empty_erases=True)
    assert codes(report) == [("1", "required")]
    assert counts(engine.take("items.csv", "external_id,price\nA,\n", action=Action.UPDATE, empty_erases=True)) == {
        "updated": 1
    }


@pytest.mark.parametrize("dry_run", [True, False])
def test_an_overwrite_may_give_a_value_of_a_record_that_it_removes_to_another(engine: Engine, dry_run: bool) -> None:
    engine.take("items.csv", "external_id,label,sku\nA,a,one\nB,b,two\nC,c,three\n")
    report = engine.take(
        "items.csv", "external_id,label,sku\nB,b,one\nC,c,three\n", action=Action.OVERWRITE, dry_run=dry_run
    )
    assert (codes(report), counts(report)) == ([], {"updated": 1, "skipped": 1, "removed": 1})


def test_an_overwrite_keeps_the_values_of_records_that_it_keeps(engine: Engine) -> None:
    engine.take("categories.csv", "external_id,label,slug\nA,a,one\nB,b,two\nC,c,three\nD,d,\n")
    engine.take("items.csv", "external_id,label,category_external_id\nI,i,A\n")
    rows = "external_id,label,slug\nB,b,two\nC,c,one\nD,d,three\n"
    report = engine.take("categories.csv", rows, action=Action.OVERWRITE)
    # C cannot have the value of A, to which an item refers, and so D cannot have that of C.
    assert [each for each in codes(report) if each[0]] == [("2", "value_taken"), ("3", "value_taken")]


def test_an_overwrite_that_removes_nothing_takes_no_values_from_what_stays(engine: Engine) -> None:
    engine.take("items.csv", "external_id,label,sku\nA,a,one\nB,b,two\n")
    report = engine.take("items.csv", "external_id,label,sku\nB,b,one\n,x,\n", action=Action.OVERWRITE)
    assert ("1", "value_taken") in codes(report)
