"""The folder watch: what local processes put into an inbox is taken once, when it is whole."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ingester.settings import FolderSettings
from ingester.watch.folder import FolderWatch
from tests.integration.engine.harness import Engine, armed, failing

ITEMS = "external_id,label\nA,Alpha\n"
SETTLE = 0.2


@pytest.fixture
def inbox(engine: Engine) -> Path:
    return engine.directory.tenant("acme").inbox


@pytest.fixture
def watch(engine: Engine) -> FolderWatch:
    """A watch that looks when the test says so."""
    return watching(engine)


def watching(engine: Engine, **settings: Any) -> FolderWatch:
    found = FolderSettings(**{"rescan_seconds": 0.05, "settle_seconds": SETTLE, **settings})
    return FolderWatch(engine.ledger, engine.intake, engine.router, engine.directory, found)


@pytest.fixture
def running(watch: FolderWatch) -> Iterator[FolderWatch]:
    watch.start()
    yield watch
    watch.stop()


def settled(watch: FolderWatch) -> None:
    """Look, wait until what is still is known to be, and look again."""
    watch.rescan()
    time.sleep(SETTLE)
    watch.rescan()


def landed(engine: Engine) -> list[tuple[str, str]]:
    return [(drop.folder, drop.name) for _, drop in reversed(engine.ledger.imports())]


def eventually(condition: Callable[[], bool], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_file_that_is_put_into_an_inbox_is_imported_and_leaves_it(
    engine: Engine, inbox: Path, running: FolderWatch
) -> None:
    (inbox / "items.csv").write_text(ITEMS)
    eventually(lambda: bool(landed(engine)))
    eventually(lambda: not any(inbox.iterdir()))
    ((job, drop),) = engine.ledger.imports()
    assert (drop.origin, drop.sha256) == ("folder", hashlib.sha256(ITEMS.encode()).hexdigest())
    engine.work()
    assert engine.report(job).status["outcome"] == "accepted"
    assert engine.leftovers() == []


def test_a_file_that_grows_is_not_taken_until_it_is_still(engine: Engine, inbox: Path) -> None:
    path, content = inbox / "items.csv", "external_id,label\n"
    path.write_text(content)
    # Written twenty times as often as it would have to be, since a busy machine may sleep for longer than it is told.
    watch = watching(engine, settle_seconds=1.0)
    watch.start()
    try:
        for number in range(30):
            time.sleep(0.05)
            assert landed(engine) == []
            with path.open("a") as file:
                file.write(line := f"k{number},x\n")
            content += line
        eventually(lambda: bool(landed(engine)))
    finally:
        watch.stop()
    ((_, drop),) = engine.ledger.imports()
    assert (engine.directory.root / drop.location).read_text() == content


def test_a_file_that_changes_while_it_is_copied_is_not_taken(engine: Engine, inbox: Path, watch: FolderWatch) -> None:
    path = inbox / "items.csv"
    path.write_text(ITEMS)
    before = path.stat()

    def change(point: str) -> None:
        if point == "taking.copied":
            # The same size, the same modification time.
            path.write_text(ITEMS.replace("Alpha", "Omega"))
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    with armed(change):
        settled(watch)
    assert landed(engine) == []
    assert engine.leftovers() == []
    settled(watch)
    ((_, drop),) = engine.ledger.imports()
    assert "Omega" in (engine.directory.root / drop.location).read_text()


@pytest.mark.parametrize(
    "name",
    [
        "items.csv.filepart",
        "items.csv.part",
        "items.partial",
        "items.TMP",
        "items.crdownload",
        ".items.csv",
        "items.csv~",
    ],
)
def test_an_unfinished_name_is_left_alone_until_it_is_renamed(
    engine: Engine, inbox: Path, watch: FolderWatch, name: str
) -> None:
    (inbox / name).write_text(ITEMS)
    settled(watch)
    assert landed(engine) == []
    assert (inbox / name).read_text() == ITEMS
    (inbox / name).rename(inbox / "items.csv")
    settled(watch)
    assert landed(engine) == [("", "items.csv")]


def test_links_and_pipes_and_hidden_folders_are_never_followed(
    engine: Engine, inbox: Path, watch: FolderWatch, tmp_path: Path
) -> None:
    (tmp_path / "secret.csv").write_text(ITEMS)
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "items.csv").write_text(ITEMS)
    (inbox / "items.csv").symlink_to(tmp_path / "secret.csv")
    (inbox / "items").symlink_to(tmp_path / "secrets")
    (inbox / ".cache").mkdir()
    (inbox / ".cache" / "items.csv").write_text(ITEMS)
    os.mkfifo(inbox / "items_pipe.csv")
    settled(watch)
    assert landed(engine) == []
    assert (inbox / "items.csv").is_symlink()


def test_subfolders_name_the_entity(engine: Engine, inbox: Path, watch: FolderWatch) -> None:
    (inbox / "validate" / "item").mkdir(parents=True)
    (inbox / "item").mkdir()
    (inbox / "item" / "a.csv").write_text(ITEMS)
    (inbox / "validate" / "item" / "b.csv").write_text(ITEMS)
    settled(watch)
    assert sorted(landed(engine)) == [("item", "a.csv"), ("validate/item", "b.csv")]
    assert {drop.name: (job.entity, job.dry_run) for job, drop in engine.ledger.imports()} == {
        "a.csv": ("item", False),
        "b.csv": ("item", True),
    }


@pytest.mark.parametrize("point", ["taking.landed", "taking.unmarked"])
def test_a_crash_between_landing_and_removing_does_not_land_a_file_twice(
    engine: Engine, inbox: Path, watch: FolderWatch, point: str
) -> None:
    path = inbox / "items.csv"
    path.write_text(ITEMS)
    with failing(point, OSError(5, "power cut")):
        settled(watch)
    assert path.exists()
    settled(watching(engine))
    assert landed(engine) == [("", "items.csv")]
    assert not list(inbox.iterdir())


def test_the_same_file_put_there_again_is_a_new_drop(engine: Engine, inbox: Path, watch: FolderWatch) -> None:
    for _ in range(2):
        (inbox / "items.csv").write_text(ITEMS)
        settled(watch)
    assert landed(engine) == [("", "items.csv")] * 2


def test_a_file_that_cannot_be_landed_stays_and_is_tried_again(engine: Engine, inbox: Path, watch: FolderWatch) -> None:
    (inbox / "items.csv").write_text(ITEMS)
    (inbox / "remarks.csv").write_text("text\nx\n")
    passed: list[str] = []

    def break_one(point: str) -> None:
        passed.append(point)
        if point == "landing.fsynced" and passed.count(point) == 1:
            raise OSError(5, "Input/output error")

    with armed(break_one):
        settled(watch)
    assert len(landed(engine)) == 1
    assert len(list(inbox.iterdir())) == 1
    assert list(engine.directory.incoming.iterdir()) == []
    settled(watch)
    assert sorted(name for _, name in landed(engine)) == ["items.csv", "remarks.csv"]


def test_a_commit_that_fails_leaves_the_file_where_it_was(engine: Engine, inbox: Path, watch: FolderWatch) -> None:
    (inbox / "items.csv").write_text(ITEMS)
    with failing("landing.folder_synced", OSError(28, "No space left on device")):
        settled(watch)
    assert (landed(engine), (inbox / "items.csv").read_text()) == ([], ITEMS)
    settled(watch)
    assert landed(engine) == [("", "items.csv")]


def test_one_tenant_s_trouble_is_not_another_s(engine: Engine, inbox: Path, watch: FolderWatch) -> None:
    engine.add_tenant("zoo")
    (inbox / os.fsdecode(b"items_\xff.csv")).write_text(ITEMS)
    (engine.directory.tenant("zoo").inbox / "items.csv").write_text(ITEMS)
    settled(watch)
    ((_, drop),) = engine.ledger.imports()
    assert drop.tenant == "zoo"
    # Of the file that can have no name in a ledger nothing is left behind, however often it is tried.
    assert engine.leftovers() == [drop.location]


@pytest.mark.parametrize("landed_before", [True, False])
def test_a_crash_while_a_landed_file_is_taken_away_is_mended(
    engine: Engine, inbox: Path, watch: FolderWatch, landed_before: bool
) -> None:
    (inbox / "items.csv").write_text(ITEMS)
    with failing("taking.aside", OSError(5, "power cut")):
        settled(watch)
    (aside,) = inbox.glob(".ingester-taken-*/*")
    if not landed_before:
        # As if another file had taken the place of the landed one: the same size, the same time.
        before = aside.stat()
        aside.write_text(ITEMS.replace("Alpha", "Omega"))
        os.utime(aside, ns=(before.st_atime_ns, before.st_mtime_ns))
    settled(watching(engine))
    assert landed(engine) == [("", "items.csv")] * (1 if landed_before else 2)
    assert not list(inbox.iterdir())
