from __future__ import annotations

import time
from pathlib import Path

import frictionless
import pyarrow as pa
import pytest

from ingester.checks.compile import CompiledEntity
from ingester.checks.rehearsal import rehearse
from ingester.outbox.sample import sample
from ingester.ruleset import shipped as places
from ingester.ruleset.columns import match_columns
from ingester.ruleset.load import load
from ingester.ruleset.mistake import RuleErrors
from ingester.ruleset.model import Entity
from ingester.ruleset.shipped import shipped, with_added

SHIPPED = list(load(shipped()))


@pytest.mark.parametrize("entity", SHIPPED, ids=lambda entity: entity.full_name)
def test_an_independent_reader_of_table_schema_reads_the_same(entity: Entity) -> None:
    schema = frictionless.Schema.from_descriptor(str(entity.path))
    assert [(field.name, field.type) for field in schema.fields] == [
        (field.name, field.type) for field in entity.fields
    ]
    assert tuple(schema.primary_key) == entity.primary_key
    assert len(schema.foreign_keys) == len(entity.foreign_keys)
    for field in schema.fields:
        field.create_cell_reader()  # casts bounds and enums, compiles patterns


@pytest.mark.parametrize("entity", SHIPPED, ids=lambda entity: entity.full_name)
def test_a_shipped_entity_explains_itself_and_has_a_key(entity: Entity) -> None:
    # Of events alike two can be real, so that nothing identifies one.
    assert entity.primary_key or entity.full_name == "referral.user_event"
    assert entity.title
    assert entity.description
    for field in entity.fields:
        assert field.title, field.name
        assert field.description, field.name
        assert field.example, field.name


def test_the_customer_has_the_columns_its_users_send() -> None:
    customer = load(shipped()).entity("field_service", "customer")
    assert {
        *("external_id", "first_name", "last_name", "email", "phone", "company_name", "lifecycle_status"),
        *("customer_type", "territory_external_id", "created_on", "balance", "notes"),
    } <= {field.name for field in customer.fields}
    status = customer.field("lifecycle_status")
    assert status.default == "lead"
    assert status.constraints.enum == ("lead", "prospect", "customer", "former_customer", "inactive")
    assert customer.foreign_keys[0].entity == "territory"
    assert customer.foreign_keys[0].id_column == "territory_id"


def test_every_shipped_rule_file_loads_in_no_time() -> None:
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        load(shipped())
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 0.5


@pytest.mark.parametrize("entity", SHIPPED, ids=lambda entity: entity.full_name)
def test_the_checks_take_every_example_default_and_accepted_cell(entity: Entity) -> None:
    assert list(rehearse(entity)) == []


@pytest.mark.parametrize("entity", SHIPPED, ids=lambda entity: entity.full_name)
def test_the_checks_take_every_template(entity: Entity) -> None:
    row = sample(entity, SHIPPED)
    columns = {
        name: pa.array([row[match.column]], pa.string())
        for match in match_columns([*row], entity)
        if (name := match.field) is not None and match.member is None
    }
    assert [finding.message for finding in CompiledEntity(entity).check(columns).findings] == []


def test_added_folders_are_catalogues_named_after_them(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    found = with_added([tmp_path / "mine", tmp_path / "other" / ".." / "mine"])
    assert found == {**shipped(), "mine": tmp_path.resolve() / "mine"}


def test_two_catalogues_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RuleErrors, match=r"there is a catalogue 'field_service' already"):
        with_added([tmp_path / "field_service"])


def test_the_rules_of_a_wheel_come_before_a_folder_that_happens_to_lie_beside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ingester/_rules/a", "rules/b", "ingester/_rules/__pycache__"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.setattr(places, "_PLACES", (tmp_path / "ingester/_rules", tmp_path / "rules"))
    assert shipped() == {"a": tmp_path / "ingester/_rules/a"}
