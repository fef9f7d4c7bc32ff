"""`ingester import` of one file when the database fails it for a while: rows are stored exactly once all the same."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import typer

from ingester import log, pipeline
from ingester.cli import oneshot
from ingester.domain.errors import TransientError

RULES = "name: item\ntitle: Items\nprimaryKey: external_id\nfields:\n  - {name: external_id}\n"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Import a file of two items; returns the exit code."""
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "item.yaml").write_text(RULES)
    (tmp_path / "items.csv").write_text("external_id\na\nb\n")
    monkeypatch.setattr(log, "configure", lambda *_: None)
    monkeypatch.setattr(oneshot, "_FIRST_WAIT_SECONDS", 0.001)

    def run_once() -> int:
        with pytest.raises(typer.Exit) as ended:
            oneshot.import_file(
                *(tmp_path / "items.csv", "item"), rules=tmp_path / "shop", out=tmp_path / "out", data_dir=tmp_path
            )
        return ended.value.exit_code

    return run_once


def stored(folder: Path) -> tuple[list[str], list[tuple[str, int]]]:
    with closing(sqlite3.connect(folder / "ingester.db")) as database:
        items = [key for (key,) in database.execute("SELECT external_id FROM shop__item ORDER BY 1")]
        return items, database.execute("SELECT outcome, publish_pending FROM import_outcomes").fetchall()


@pytest.mark.parametrize("committed", [False, True])
def test_trouble_before_or_after_the_commit_ends_in_the_same_result(
    committed: bool, run: Callable[[], int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    really, attempts = pipeline.run, 0

    def fail_twice(*arguments: Any) -> Any:
        nonlocal attempts
        attempts += 1
        if attempts > 2:
            return really(*arguments)
        if committed:
            really(*arguments)
        raise TransientError("the connection was lost")

    monkeypatch.setattr(pipeline, "run", fail_twice)
    assert run() == 0
    assert attempts == (1 if committed else 3)
    assert stored(tmp_path) == (["a", "b"], [("accepted", 0)])
    assert len(list((tmp_path / "out").glob("items.csv.*.status.json"))) == 1


def test_trouble_that_does_not_pass_is_told_and_leaves_nothing(
    run: Callable[[], int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> Any:
        raise TransientError("the connection was lost")

    monkeypatch.setattr(pipeline, "run", fail)
    with pytest.raises(TransientError):
        run()
    assert stored(tmp_path) == ([], [])
    assert list((tmp_path / "out").iterdir()) == []
