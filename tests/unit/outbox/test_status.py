"""Putting a status file in place: whole, at once, and never an old one over a newer."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from ingester.domain.status import Origin, Status
from ingester.outbox import status
from ingester.store.ledger_tables import Drop, Import

AT = datetime(2026, 3, 1, 12, 0, 0, 999_999, tzinfo=UTC)
DROP = Drop(
    id="d", tenant="acme", origin=Origin.SFTP, name="größe.csv", size=3, sha256="00", location="x", shown_folder="",
    shown_name="größe.csv", landed_at=AT,
)  # fmt: skip


def job(now_is: Status = Status.QUEUED) -> Import:
    return Import(
        id="7f3a9c2e-1", short_id="7f3a9c2e", tenant="acme", drop_id="d", status=now_is, due_at=AT, created_at=AT
    )


@pytest.fixture
def outbox(tmp_path: Path) -> Path:
    (tmp_path / "outbox").mkdir()
    (tmp_path / "work").mkdir()
    return tmp_path / "outbox"


def put(outbox: Path, now_is: Status, **values: Any) -> None:
    status.put(outbox, status.document(job(now_is), DROP), outbox.parent / "work", **values)


def told(outbox: Path) -> str | None:
    return status.told(outbox, job(), DROP)


def test_a_later_status_replaces_an_earlier_one(outbox: Path) -> None:
    put(outbox, Status.QUEUED)
    put(outbox, Status.PROCESSING)
    assert told(outbox) == "processing"
    assert [path.name for path in outbox.iterdir()] == ["größe.csv.7f3a9c2e.status.json"]
    assert list((outbox.parent / "work").iterdir()) == []


def test_the_first_status_never_replaces_another(outbox: Path) -> None:
    put(outbox, Status.COMPLETED)
    put(outbox, Status.QUEUED, replace=False)
    assert told(outbox) == "completed"
    assert list((outbox.parent / "work").iterdir()) == []


def test_the_first_status_is_put_where_there_is_none(outbox: Path) -> None:
    put(outbox, Status.QUEUED, replace=False)
    assert told(outbox) == "queued"


def test_a_reader_never_sees_a_half_written_status(outbox: Path) -> None:
    put(outbox, Status.QUEUED)
    path, stop, broken = outbox / "größe.csv.7f3a9c2e.status.json", threading.Event(), list[Exception]()

    def read() -> None:
        while not stop.is_set():
            try:
                json.loads(path.read_bytes())
            except Exception as error:
                broken.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(300):
        put(outbox, Status.PROCESSING)
    stop.set()
    reader.join()
    assert broken == []


@pytest.mark.parametrize("content", [None, b"", b'{"status": "com'])
def test_where_no_whole_status_is_nothing_was_told(outbox: Path, content: bytes | None) -> None:
    if content is not None:
        (outbox / "größe.csv.7f3a9c2e.status.json").write_bytes(content)
    assert told(outbox) is None


def test_the_file_is_utf_8_for_people_to_read(outbox: Path) -> None:
    put(outbox, Status.QUEUED)
    text = (outbox / "größe.csv.7f3a9c2e.status.json").read_text("utf-8")
    assert '"name": "größe.csv"' in text
    assert text.endswith("}\n")


def test_moments_are_in_utc_with_a_z() -> None:
    assert status.moment(AT) == "2026-03-01T12:00:00.999Z"
    assert status.moment(None) is None
    local = AT.astimezone(timezone(timedelta(hours=2)))
    assert status.moment(local.astimezone(UTC)) == "2026-03-01T12:00:00.999Z"
