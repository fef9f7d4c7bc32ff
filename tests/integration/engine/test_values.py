"""A column is decided by all of its cells, wherever in the file they are; then the file is read from its beginning."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from ingester.checks.style import Style
from ingester.formats.opening import open_drop
from ingester.phases import prevalidation
from ingester.phases.prevalidation import Prevalidated
from ingester.ruleset.model import Check, Constraints, Entity, Field, FieldType
from ingester.spill.notices import Notices
from ingester.spill.verdict import Verdict

ENTITY = Entity(
    catalogue="shop",
    name="sale",
    fields=(
        Field(name="id"),
        Field(name="amount", type=FieldType.NUMBER),
        Field(name="on", type=FieldType.DATE),
        Field(name="state", constraints=Constraints(enum=("new",))),
    ),
    primary_key=("id",),
    checks=(Check(code="negative", assertion="amount >= 0", fields=("amount",), message="Negative"),),
)
ROWS = 30_000


class Attempt:
    """One run of the first phase in blocks of 64 KiB."""

    def __init__(self, folder: Path, rows: list[str], **given: Any) -> None:
        self.notices, self.verdict = Notices(folder), Verdict()
        drop = folder / "drop.csv"
        drop.write_text("id;amount;on;state\n".replace(";", ",") + "".join(f"{row}\n" for row in rows))
        self.found: Prevalidated = prevalidation.run(
            open_drop(drop, drop.name, folder),
            ENTITY,
            self.notices,
            self.verdict,
            folder,
            timezone="UTC",
            block_bytes=1 << 16,
            truncation_approved=False,
            whole=ENTITY,
            **given,
        )

    def values(self, column: str) -> list[Any]:
        batches = [batch.column(0) for _, batch in self.found.rows.batches((column,))]
        found: list[Any] = pa.chunked_array(batches).to_pylist()
        return found

    @property
    def codes(self) -> dict[tuple[str, str], int]:
        return {(code, field): count for (code, field, _), count in self.notices.counts().items()}


def usual(number: int) -> str:
    return f"{number},1.234,03/04/2026,new"


def test_the_last_rows_decide_how_the_first_are_read(tmp_path: Path) -> None:
    decisive = [f'd{number},"0,5",13/04/2026,new' for number in range(ROWS // 20)]
    rows = [*map(usual, range(ROWS)), *decisive, 'x,"-0,5",13/04/2026,old', "y,NULL,NULL,new"]
    attempt = Attempt(tmp_path, rows)
    assert attempt.found.styles == {"amount": {"decimal": ","}, "on": {"dates": "dmy"}}
    assert set(attempt.values("amount")[:ROWS]) == {"1234"}
    assert {str(day) for day in attempt.values("on")[:ROWS]} == {"2026-04-03"}
    assert attempt.values("amount")[-2:] == ["-0.5", None]
    # Nothing is counted twice, though some blocks were read twice.
    assert attempt.codes == {
        ("invalid_enum_value", "state"): 1,
        ("negative", "amount"): 1,
        ("read_as_missing", "amount"): 1,
        ("read_as_missing", "on"): 1,
    }
    assert (attempt.verdict.total, attempt.verdict.error_rows) == (len(rows), 1)
    assert [number for batch in attempt.found.assertions.failed() for number in batch] == [len(rows) - 1]


def test_one_cell_is_too_little_to_make_thousands_of_all_others(tmp_path: Path) -> None:
    attempt = Attempt(tmp_path, [*map(usual, range(100)), 'x,"12,5",13/04/2026,new'])
    assert attempt.codes == {("ambiguous_number", "amount"): 100, ("ambiguous_date", "on"): 100}
    assert attempt.values("amount")[-1] == "12.5"


def test_what_the_first_rows_settle_is_remembered_where_the_last_one_is_in_doubt(tmp_path: Path) -> None:
    settle = [f"a{number},12.75,2026-04-03,new" for number in range(3000)]
    plain = [f"b{number},7,2026-04-03,new" for number in range(ROWS)]
    attempt = Attempt(tmp_path, [*settle, *plain, 'x,"1,234",2026-04-03,new'])
    assert attempt.values("amount")[-1] == "1234"
    assert attempt.codes == {}
    attempt = Attempt(tmp_path, [*settle, *plain, 'x,"12,5",2026-04-03,new'])
    assert attempt.values("amount")[0] == "12.75"
    assert attempt.codes == {("invalid_type", "amount"): 1}


def test_a_date_of_another_kind_is_a_mistake_however_far_above_the_others_are(tmp_path: Path) -> None:
    days = [f"a{number},1,2026-04-03,new" for number in range(3000)]
    none = [f"b{number},1,,new" for number in range(ROWS)]
    attempt = Attempt(tmp_path, [*days, *none, "x,1,31/12/2020,new"])
    assert attempt.codes == {("invalid_type", "on"): 1}


def test_a_few_mistakes_at_the_end_leave_what_was_read_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [f"{number},12.75,2026-04-03,new" for number in range(ROWS)]
    again: list[object] = []
    monkeypatch.setattr(prevalidation, "_again", lambda *given: again.append(given))
    attempt = Attempt(tmp_path, [*rows, 'x,"12,5",31/12/2020,new'])
    assert attempt.codes == {("invalid_type", "amount"): 1, ("invalid_type", "on"): 1}
    assert not again


def test_a_number_that_is_no_slip_of_the_finger_settles_its_column_alone(tmp_path: Path) -> None:
    attempt = Attempt(tmp_path, [*map(usual, range(100)), 'x,"12.345,5",,new'])
    assert set(attempt.values("amount")) == {"1234", "12345.5"}


def test_a_file_that_is_canonical_throughout_is_read_once(tmp_path: Path) -> None:
    attempt = Attempt(tmp_path, [f"{number},1.234,2026-04-03,new" for number in range(100)])
    assert attempt.found.styles == {}
    assert set(attempt.values("amount")) == {"1.234"}


def test_what_a_feed_says_of_its_files_needs_no_other_row(tmp_path: Path) -> None:
    attempt = Attempt(tmp_path, [usual(1), 'b,"1,234",04/13/2026,new'], style=Style.of(",", "dmy"))
    assert attempt.values("amount") == ["1234", "1.234"]
    assert attempt.found.styles == {"amount": {"decimal": ","}, "on": {"dates": "dmy"}}
    assert [str(day) for day in attempt.values("on")] == ["2026-04-03", "None"]
    assert attempt.codes == {("invalid_type", "on"): 1}


def test_rejects_are_read_as_their_original_was(tmp_path: Path) -> None:
    known = {"amount": {"decimal": ","}, "on": {"dates": "mdy"}}
    attempt = Attempt(tmp_path, [usual(1)], known=known)
    assert (attempt.values("amount"), str(attempt.values("on")[0])) == (["1234"], "2026-03-04")
    assert attempt.found.styles == known
    assert Attempt(tmp_path, ["a,1.234,,new"], known={}).values("amount") == ["1.234"]
    mixed = Attempt(tmp_path, ["a,1.234,,new"], known={"amount": {"decimal": "mixed"}})
    assert mixed.codes == {("ambiguous_number", "amount"): 1}


def test_what_the_first_doubt_was_about_settles_no_other_column(tmp_path: Path) -> None:
    rows = [f"{number},5,2026-04-03,new" for number in range(ROWS)]
    rows[10] = "10,5,31/12/2020,new"
    attempt = Attempt(tmp_path, [*rows, 'x,"12,50",2026-04-03,new', "y,1.234,2026-04-03,new"])
    assert attempt.values("amount")[-2:] == ["12.5", "1234"]
    assert attempt.codes == {("invalid_type", "on"): 1}


def test_a_column_that_turns_out_otherwise_further_down_is_read_again(tmp_path: Path) -> None:
    rows = [f"{number},1.5,2026-04-03,new" for number in range(3000)]
    rows[10] = '10,"2,5",2026-04-03,new'
    rows += [f'b{number},"1,25",2026-04-03,new' for number in range(ROWS)]
    attempt = Attempt(tmp_path, [*rows, "y,1.234,2026-04-03,new"])
    assert attempt.values("amount")[-2:] == ["1.25", "1234"]
    assert attempt.codes == {("invalid_type", "amount"): 2999}
