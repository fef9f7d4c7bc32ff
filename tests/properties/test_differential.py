"""Another reader of Table Schema flags the same cells: our engine against frictionless, on generated and real files.

Both get the same rule file and the same CSV. Intended differences are data, in `differential/difference.py` (of cells)
and `differential/row.py` (of rows); each of them is shown here to be one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import strategies as st

from ingester.ruleset.load import load
from ingester.ruleset.model import Entity, FieldType
from ingester.ruleset.shipped import shipped
from tests.examples import examples
from tests.properties.differential.difference import DIFFERENCES, By, Difference, explained
from tests.properties.differential.generate import odd_table, tables
from tests.properties.differential.real import STRICTER, flights, template
from tests.properties.differential.row import ROW_DIFFERENCES, RowDifference, disagreements
from tests.properties.differential.table import Table, ours, theirs

KINDS = st.sampled_from(list(FieldType))
# A failure names the cells, so nothing is gained by shrinking the file around them.
PLAIN: dict[str, Any] = {"phases": [Phase.generate], "suppress_health_check": list(HealthCheck)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("differential")


# --- generated files -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", FieldType)
def test_both_flag_the_same_odd_cells_under_every_form_of_a_type(kind: FieldType, folder: Path) -> None:
    assert disagreements(odd_table(kind).written(folder)) == []


@pytest.mark.parametrize("kind", FieldType)
def test_both_flag_the_same_cells_of_a_type(kind: FieldType, folder: Path) -> None:
    @examples(10, **PLAIN)
    @given(tables(st.just(kind), width=4, length=40, ragged=False))
    def agree(table: Table) -> None:
        assert disagreements(table.written(folder)) == []

    agree()


@examples(20, **PLAIN)
@given(table=tables(KINDS, width=3, length=10, ragged=True))
def test_both_flag_the_same_rows_of_an_untidy_file(table: Table, folder: Path) -> None:
    assert disagreements(table.written(folder)) == []


# --- real files ------------------------------------------------------------------------------------------------------

SHIPPED = list(load(shipped()))


@pytest.mark.parametrize("entity", list(STRICTER))
def test_both_flag_the_same_of_real_flights(entity: str, folder: Path) -> None:
    table = flights(entity, most=2000).written(folder)
    assert disagreements(table) == []
    assert len({name for _, name in ours(table, table.entity).cells}) >= 2


@pytest.mark.parametrize("entity", SHIPPED, ids=lambda entity: entity.full_name)
def test_both_flag_the_same_of_a_template_and_its_mutants(entity: Entity, folder: Path) -> None:
    table = template(entity, SHIPPED, copies=15).written(folder)
    assert disagreements(table) == []
    assert not any(row == 1 for row, _ in ours(table, table.entity).cells)


# --- intended differences --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("difference", DIFFERENCES, ids=lambda each: each.name)
def test_an_intended_difference_still_is_one(difference: Difference, tmp_path: Path) -> None:
    fields = [{"name": "k", "type": "string"}, {"name": "a", **difference.field}]
    descriptor = {"fields": fields, "missingValues": [""]}
    table = Table(descriptor, ["k", "a"], [["1", difference.cell], ["2", difference.beside]]).written(tmp_path)
    entity = table.entity
    mine, other = ({flag for flag in read(table, entity).cells if flag[0] == 1} for read in (ours, theirs))
    assert (mine, other) == ({(1, "a")}, set()) if difference.by is By.US else (set(), {(1, "a")})
    assert difference.name in explained(difference.by, entity.field("a"), difference.cell)


@pytest.mark.parametrize("difference", ROW_DIFFERENCES, ids=lambda each: each.name)
def test_an_intended_difference_about_rows_still_is_one(difference: RowDifference, tmp_path: Path) -> None:
    fields = [{"name": "k", "type": "string"}, {"name": "a", "type": "string", "constraints": difference.constraints}]
    descriptor = {"fields": fields, "missingValues": [""], **difference.keys}
    table = Table(descriptor, ["k", "a"], difference.rows).written(tmp_path)
    entity = table.entity
    assert difference.ours != difference.theirs
    assert (ours(table, entity), theirs(table, entity)) == (difference.ours, difference.theirs)


def test_every_difference_has_a_name_of_its_own_and_a_reason() -> None:
    names = [each.name for each in (*DIFFERENCES, *ROW_DIFFERENCES)]
    assert len(names) == len(set(names))
    assert all(each.reason for each in (*DIFFERENCES, *ROW_DIFFERENCES))
