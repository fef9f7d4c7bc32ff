"""Reports that only the customer can read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pysequoia
import pytest

from ingester.outbox import name, seal
from tests.openpgp import Person

pytestmark = pytest.mark.needs("gpg")

REPORTS = {"a.csv.1234abcd.errors.csv": b"row,value\n1,secret\n", "a.csv.1234abcd.rejects.csv": b"id\nsecret\n"}
STATUS = "a.csv.1234abcd.status.json"
DOCUMENT: dict[str, Any] = {
    "status": "completed",
    "outcome": "rejected",
    "stats": {"total_rows": 1},
    "detected": {"format": "csv"},
    "columns": [{"column": "secret"}],
    "counts": [{"field": "secret"}],
    "errors": [{"value": "secret"}],
    "warnings": [],
    "files": {"errors": "a.csv.1234abcd.errors.csv", "rejects": "a.csv.1234abcd.rejects.csv"},
}


@pytest.fixture(scope="module")
def customer() -> Iterator[Person]:
    with Person("customer") as person:
        yield person


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for file, content in {**REPORTS, STATUS: json.dumps(DOCUMENT).encode()}.items():
        (tmp_path / file).write_bytes(content)
    return tmp_path


def test_the_customer_reads_every_report_and_nobody_else_any(folder: Path, customer: Person) -> None:
    files, shown = seal.seal(folder, list(REPORTS), STATUS, DOCUMENT, [customer.public])
    assert sorted(files) == sorted(path.name for path in folder.iterdir())
    for file in files:
        content = (folder / file).read_bytes()
        assert b"secret" not in content
        plain = customer.writes(content, "--decrypt")
        kept = file.removesuffix(seal.SUFFIX)
        assert plain == REPORTS.get(kept, json.dumps(DOCUMENT).encode())
        assert name.short_id(file) == "1234abcd"
    assert "secret" not in json.dumps(shown)
    assert (shown["status"], shown["outcome"], shown["stats"]) == ("completed", "rejected", {"total_rows": 1})
    assert set(shown["files"].values()) == set(files)


def test_without_a_certificate_to_encrypt_for_the_reports_are_withheld_and_the_status_says_so(folder: Path) -> None:
    key = pysequoia.Tsk.generate("gone <gone@example.com>", validity_seconds=1)
    for certificates in ([], [str(key.extract_certificate())]):
        files, shown = seal.seal(folder, list(REPORTS), STATUS, DOCUMENT, certificates)
        assert (files, list(folder.iterdir())) == ([], [])
        assert [warning["code"] for warning in shown["warnings"]] == ["no_recipient"]
        assert set(shown["files"].values()) == {None}
        assert "secret" not in json.dumps(shown)
        for file in (*REPORTS, STATUS):
            (folder / file).write_bytes(b"secret")
