from __future__ import annotations

import pyarrow as pa

from ingester.checks.compile import CompiledEntity
from ingester.ruleset.model import Constraints, Entity, Field, FieldType

LIFECYCLE = ("lead", "prospect", "customer", "former_customer")


def hints(
    cells: list[str], enum: tuple[str, ...] = LIFECYCLE, kind: FieldType = FieldType.STRING
) -> dict[str, list[int]]:
    field = Field(name="s", type=kind, constraints=Constraints(enum=enum))
    checked = CompiledEntity(Entity(catalogue="c", name="e", fields=(field,))).check({"s": pa.array(cells)})
    assert {finding.code for finding in checked.findings} <= {"invalid_enum_value"}
    assert len({finding.message for finding in checked.findings}) <= 1
    return {finding.hint: finding.positions.tolist() for finding in checked.findings}


def test_a_misspelt_value_gets_a_suggestion() -> None:
    assert hints(["leed", "lead", "Lead", "prospct", "x", "LEAD"]) == {
        "Did you mean 'lead'?": [0, 2, 5],
        "Did you mean 'prospect'?": [3],
        "": [4],
    }


def test_what_resembles_nothing_gets_none() -> None:
    assert hints(["deleted!!", "x" * 10_000]) == {"": [0, 1]}


def test_there_are_no_more_findings_than_values_of_the_enum_and_one() -> None:
    cells = [f"{word}{number}" for number in range(1000) for word in ("lead", "customer", "zzz")]
    found = hints(cells)
    assert set(found) <= {"", "Did you mean 'lead'?", "Did you mean 'customer'?"}
    assert sorted(position for positions in found.values() for position in positions) == list(range(3000))


def test_a_number_is_suggested_as_the_enum_writes_it() -> None:
    assert hints(["1000.5", "7"], ("1000.50", "2"), FieldType.NUMBER) == {"": [1]}
