"""Reports of an import that are encrypted for the customer, through to the outbox."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from ingester import pipeline
from ingester.outbox import publish, status
from ingester.pipeline import Order
from ingester.store.data_tables import ImportOutcome
from tests.integration.engine.harness import Engine
from tests.openpgp import Person

pytestmark = pytest.mark.needs("gpg")

FILE = "external_id,label,sku,stock\nk1,secret,,1\nk2,secret,,no-number-but-secret\n"


@pytest.fixture(scope="module")
def customer() -> Iterator[Person]:
    with Person("customer") as person:
        yield person


def published(engine: Engine, recipients: list[str]) -> ImportOutcome:
    job = engine.drop("items.csv", FILE)
    job, drop = engine.ledger.import_(job.id)
    workspace = engine.directory.work / f"{job.id}.1"
    workspace.mkdir()
    order = Order(job=job, drop=drop, entity=engine.entity("item"), block_bytes=2**16, recipients=recipients)
    outcome = pipeline.run(order, engine.store, engine.directory, workspace)
    publish.publish(engine.directory, outcome, job, drop)
    told = status.read(engine.directory.tenant("acme").outbox, job, drop)
    assert told is not None
    assert told["status"] == "completed"
    assert told["outcome"] == outcome.outcome
    return outcome


def test_what_is_in_the_data_is_in_the_outbox_for_the_customer_alone(engine: Engine, customer: Person) -> None:
    outcome = published(engine, [customer.public])
    outbox = engine.directory.tenant("acme").outbox
    assert {path.name for path in outbox.iterdir()} == set(outcome.files)
    contents = {name: (outbox / name).read_bytes() for name in outcome.files}
    assert not any(b"secret" in content for content in contents.values())
    plain = {name: customer.writes(content, "--decrypt") for name, content in contents.items() if name.endswith("pgp")}
    assert len(plain) == 3
    assert all(b"secret" in content for content in plain.values())
    (whole,) = (json.loads(content) for name, content in plain.items() if ".status.json" in name)
    (shown,) = (json.loads(content) for name, content in contents.items() if name.endswith(".status.json"))
    assert whole["stats"] == shown["stats"]
    assert whole["errors"]
    assert set(shown["files"].values()) == set(plain)


def test_an_import_without_anybody_to_encrypt_for_is_done_and_its_reports_are_withheld(engine: Engine) -> None:
    outcome = published(engine, [])
    outbox = engine.directory.tenant("acme").outbox
    assert [path.name for path in outbox.iterdir()] == outcome.files
    (shown,) = (json.loads(path.read_bytes()) for path in outbox.iterdir())
    assert [warning["code"] for warning in shown["warnings"]] == ["no_recipient"]
    assert b"secret" not in next(outbox.iterdir()).read_bytes()
