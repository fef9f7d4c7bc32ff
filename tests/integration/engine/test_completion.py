"""When a file in an inbox folder is complete: closed, moved there, still, or marked; lost events lose nothing.

How files are landed is the same on both databases, so these tests run on one.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ingester.domain.status import CompleteOn
from ingester.feed import declare
from ingester.settings import FolderSettings
from ingester.watch.event import Evidence, Hints
from ingester.watch.folder import FolderWatch
from tests.integration.engine.harness import SHOP, Engine, armed, failing

ITEMS = "external_id,label\nA,Alpha\n"
SETTLE = 0.2


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = Engine(tmp_path / "data", SHOP)
    engine.add_tenant()
    yield engine
    engine.close()


@pytest.fixture
def inbox(engine: Engine) -> Path:
    return engine.directory.tenant("acme").inbox


@pytest.fixture
def watching(engine: Engine) -> Iterator[Callable[..., FolderWatch]]:
    """Start watches; they look by themselves only every 30 seconds, unless told otherwise."""
    watches: list[FolderWatch] = []

    def start(**settings: Any) -> FolderWatch:
        found = FolderSettings(**{"settle_seconds": SETTLE, **settings})
        watch = FolderWatch(engine.ledger, engine.intake, engine.router, engine.directory, found)
        watches.append(watch)
        watch.start()
        until(lambda: watch._reload_at > 0 and all(inbox.scan_at > 0 for inbox in watch._inboxes.values()))
        return watch

    yield start
    for watch in watches:
        watch.stop()


def looking(engine: Engine, **settings: Any) -> FolderWatch:
    """A watch that looks when it is told to, and hears nothing."""
    found = FolderSettings(**{"settle_seconds": SETTLE, "rescan_seconds": 2.0, **settings})
    return FolderWatch(engine.ledger, engine.intake, engine.router, engine.directory, found)


def settled(watch: FolderWatch, seconds: float = SETTLE) -> None:
    watch.rescan()
    time.sleep(seconds + 0.05)
    watch.rescan()


def names(engine: Engine) -> list[str]:
    return [drop.name for _, drop in reversed(engine.ledger.imports(limit=10_000))]


def until(condition: Callable[[], bool], seconds: float = 10, poll: float = 0.005) -> float:
    began = time.monotonic()
    while not condition():
        assert time.monotonic() < began + seconds
        time.sleep(poll)
    return time.monotonic() - began


def test_what_is_stable_is_taken_soon_after_the_event_and_long_before_the_next_look(
    engine: Engine, inbox: Path, watching: Callable[..., FolderWatch]
) -> None:
    watching()
    (inbox / "items.csv").write_text(ITEMS)
    assert until(lambda: names(engine) == ["items.csv"]) < 5


def test_what_is_closed_is_taken_at_once_and_not_while_it_is_open(
    engine: Engine, inbox: Path, watching: Callable[..., FolderWatch]
) -> None:
    watching(complete_on="close", settle_seconds=0.1)
    with (inbox / "items.csv").open("w") as file:
        file.write(ITEMS)
        file.flush()
        time.sleep(0.6)  # still for much longer than it takes to settle, but its writer is not done
        assert names(engine) == []
    assert until(lambda: names(engine) == ["items.csv"]) < 5


def test_without_a_word_of_its_close_a_file_is_taken_when_nobody_has_it_open(engine: Engine, inbox: Path) -> None:
    watch = looking(engine, complete_on="close")
    with (inbox / "items.csv").open("w") as file:
        file.write(ITEMS)
        file.flush()
        settled(watch)
        assert names(engine) == []
    settled(watch)
    assert names(engine) == ["items.csv"]


def test_what_is_moved_to_its_name_is_taken_at_once_and_what_is_written_there_is_not(
    engine: Engine, inbox: Path, watching: Callable[..., FolderWatch]
) -> None:
    watching(complete_on="rename", rescan_seconds=2.0)
    (inbox / "items_written.csv").write_text(ITEMS)
    (inbox / "items.csv.part").write_text(ITEMS)
    (inbox / "items.csv.part").rename(inbox / "items.csv")
    until(lambda: names(engine) == ["items.csv"])
    assert (inbox / "items_written.csv").exists()
    # Perhaps the word of its rename was lost: a file is not.
    until(lambda: names(engine) == ["items.csv", "items_written.csv"])


def test_a_file_that_is_held_open_must_be_still_for_much_longer(engine: Engine, inbox: Path) -> None:
    watch = looking(engine, settle_seconds=0.1)
    with (inbox / "items.csv").open("w") as file:
        file.write(ITEMS)
        file.flush()
        settled(watch, 0.2)
        assert names(engine) == []
        time.sleep(1)
        watch.rescan()
        assert names(engine) == ["items.csv"]


def test_a_marked_file_waits_for_its_marker_and_both_go(engine: Engine, inbox: Path) -> None:
    watch = looking(engine, complete_on="marker")
    (inbox / "items.csv").write_text(ITEMS)
    settled(watch)
    assert names(engine) == []
    (inbox / "items.csv.done").touch()
    settled(watch)
    assert names(engine) == ["items.csv"]
    assert not list(inbox.iterdir())


def test_a_late_marker_is_heard(engine: Engine, inbox: Path, watching: Callable[..., FolderWatch]) -> None:
    watching(complete_on="marker", marker_suffixes=(".fertig",))
    (inbox / "items.csv").write_text(ITEMS)
    time.sleep(2 * SETTLE)
    (inbox / "items.csv.fertig").touch()
    assert until(lambda: not list(inbox.iterdir())) < 5
    assert names(engine) == ["items.csv"]


def test_a_crash_between_marker_and_file_neither_doubles_the_file_nor_leaves_a_marker(
    engine: Engine, inbox: Path
) -> None:
    (inbox / "items.csv").write_text(ITEMS)
    (inbox / "items.csv.ok").touch()
    with failing("taking.unmarked", OSError(5, "power cut")):
        settled(looking(engine, complete_on="marker"))
    assert [path.name for path in inbox.iterdir()] == ["items.csv"]
    settled(looking(engine, complete_on="marker"))
    assert names(engine) == ["items.csv"]
    assert not list(inbox.iterdir())


def test_a_feed_s_word_goes_before_its_tenant_s_and_that_before_the_settings(engine: Engine, inbox: Path) -> None:
    engine.tenants.set_completion("acme", CompleteOn.MARKER)
    acme = engine.tenants.get("acme")
    engine.tenants.add_feed(
        declare(name="crm", entity="item", pattern="crm_*", complete_on="stable").feed(acme, engine.rules)
    )
    watch = looking(engine)
    (inbox / "crm_items.csv").write_text(ITEMS)
    (inbox / "items.csv").write_text(ITEMS)
    # Only where markers are waited for is a file with such a name one.
    (inbox / "crm_items.csv.done").write_text(ITEMS)
    settled(watch)
    assert sorted(names(engine)) == ["crm_items.csv"]
    assert (inbox / "items.csv").exists()
    engine.tenants.set_completion("acme", None)
    settled(watch)
    assert "items.csv" in names(engine)


def test_no_time_of_a_file_and_no_clock_keeps_it_from_being_found(engine: Engine, inbox: Path) -> None:
    watch = looking(engine)
    for name, moment in (("items_old.csv", 0), ("items_new.csv", 4_000_000_000)):
        (inbox / name).write_text(ITEMS)
        os.utime(inbox / name, (moment, moment))
    settled(watch)
    assert sorted(names(engine)) == ["items_new.csv", "items_old.csv"]


def test_a_file_that_has_the_inode_size_and_time_of_a_landed_one_is_found() -> None:
    # On a disk: folders in memory do not use inodes again.
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        engine = Engine(Path(folder, "data"), SHOP)
        engine.add_tenant()
        watch, path = looking(engine), engine.directory.tenant("acme").inbox / "items.csv"
        inodes = set()
        for _ in range(8):
            path.write_text(ITEMS)
            os.utime(path, (1_000_000_000, 1_000_000_000))
            inodes.add(path.stat().st_ino)
            settled(watch)
        assert names(engine) == ["items.csv"] * 8
        assert len(inodes) < 8, "this filesystem does not use inodes again"
        engine.close()


@pytest.mark.parametrize("what", ["deleted", "renamed", "replaced"])
def test_what_happens_to_a_file_after_it_was_copied_does_no_harm(engine: Engine, inbox: Path, what: str) -> None:
    path = inbox / "items.csv"
    path.write_text(ITEMS)
    (inbox.parent / "other.csv").write_text(ITEMS + "B,Beta\n")

    def interfere(_: Path) -> None:
        if what == "deleted":
            path.unlink()
        elif what == "renamed":
            path.rename(inbox / "items_2.csv")
        else:
            (inbox.parent / "other.csv").rename(path)

    watch, take_away = looking(engine), looking(engine)._taking._take_away

    def meanwhile(*arguments: Any) -> Any:
        interfere(path)
        watch._taking._take_away = take_away  # type: ignore[method-assign]  # once is enough
        return take_away(*arguments)

    watch._taking._take_away = meanwhile  # type: ignore[method-assign]  # the moment that matters
    settled(watch)
    settled(watch)
    # A rename and a replacement are new files.
    after = {"deleted": [], "renamed": ["items_2.csv"], "replaced": ["items.csv"]}[what]
    assert names(engine) == ["items.csv", *after]
    assert not list(inbox.iterdir())
    assert len(engine.leftovers()) == len(names(engine))


def test_a_folder_that_becomes_a_link_leads_nowhere(engine: Engine, inbox: Path, tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "a.csv").write_text("external_id,label\nS,Secret\n")
    (inbox / "item").mkdir()
    (inbox / "item" / "a.csv").write_text(ITEMS)
    watch = looking(engine)
    watch.rescan()
    shutil.rmtree(inbox / "item")
    (inbox / "item").symlink_to(tmp_path / "secrets")
    settled(watch)
    assert names(engine) == []


def test_a_name_of_the_greatest_length_is_taken(engine: Engine, inbox: Path) -> None:
    name = "items_" + "x" * 245 + ".csv"
    (inbox / name).write_text(ITEMS)
    settled(looking(engine))
    assert names(engine) == [name]
    assert not list(inbox.iterdir())


def test_a_tenant_that_is_added_is_watched_at_once(engine: Engine, watching: Callable[..., FolderWatch]) -> None:
    watching()
    engine.add_tenant("zoo")
    inbox = engine.directory.tenant("zoo").inbox
    (inbox / "item").mkdir()
    (inbox / "item" / "a.csv").write_text(ITEMS)
    assert until(lambda: names(engine) == ["a.csv"]) < 5


def test_files_in_folders_that_appear_are_heard_of(
    engine: Engine, inbox: Path, watching: Callable[..., FolderWatch]
) -> None:
    watching()
    (inbox / "validate" / "item").mkdir(parents=True)
    (inbox / "validate" / "item" / "a.csv").write_text(ITEMS)
    until(lambda: names(engine) == ["a.csv"])
    time.sleep(0.3)
    (inbox / "validate" / "item" / "b.csv").write_text(ITEMS)
    assert until(lambda: names(engine) == ["a.csv", "b.csv"]) < 5


def test_where_the_system_gives_no_events_inboxes_are_polled_and_it_is_said_once(
    engine: Engine, inbox: Path, watching: Callable[..., FolderWatch], monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    def refuse(*_: object) -> int:
        raise OSError(28, "inotify watch limit reached")

    monkeypatch.setattr("watchdog.observers.inotify_c.InotifyFD.add_callback", refuse)
    engine.add_tenant("zoo")
    watching(poll_seconds=0.1)
    for tenant in ("acme", "zoo"):
        (engine.directory.tenant(tenant).inbox / "items.csv").write_text(ITEMS)
    until(lambda: names(engine) == ["items.csv"] * 2)
    assert "".join(capsys.readouterr()).count("folder_watch_without_events") == 1


def test_polled_inboxes_are_found_quiet_and_then_not(
    engine: Engine, inbox: Path, watching: Callable[..., FolderWatch]
) -> None:
    watch = watching(events=False, poll_seconds=0.05)
    until(lambda: watch._inboxes["acme"].is_quiet(time.monotonic()))
    (inbox / "items.csv").write_text(ITEMS)
    assert until(lambda: names(engine) == ["items.csv"]) < 5


def test_a_file_that_takes_the_place_of_one_that_lands_keeps_its_marker(engine: Engine) -> None:
    engine.add_tenant("beta")
    inboxes = [engine.directory.tenant(name).inbox for name in ("acme", "beta")]
    newer = ITEMS.replace("Alpha", "Omega")
    copied: list[str] = []

    def put(inbox: Path, content: str) -> None:
        (inbox / ".hidden").write_text(content)
        (inbox / ".hidden").rename(inbox / "items.csv")
        (inbox / "items.csv.done").touch()

    def send_again(point: str) -> None:
        if point == "taking.copied":
            copied.append(point)
            if len(copied) == len(inboxes):  # the first of them was handed over long since
                for inbox in inboxes:
                    put(inbox, newer)

    for inbox in inboxes:
        put(inbox, ITEMS)
    watch = looking(engine, complete_on="marker", marker_suffixes=(".done",))
    with armed(send_again):
        settled(watch)
    for _ in range(3):
        settled(watch)
    drops = [drop for _, drop in engine.ledger.imports()]
    sent = sorted((drop.tenant, (engine.directory.root / drop.location).read_text()) for drop in drops)
    assert sent[:2] == [("acme", ITEMS), ("acme", newer)]
    assert ("beta", newer) in sent
    assert [list(inbox.iterdir()) for inbox in inboxes] == [[], []]


def test_a_file_whose_mode_changes_while_it_lands_lands_once(engine: Engine, inbox: Path) -> None:
    (inbox / "items.csv").write_text(ITEMS)
    watch = looking(engine)
    with armed(lambda point: (inbox / "items.csv").chmod(0o600) if point == "taking.landed" else None):
        settled(watch)
    for _ in range(3):
        settled(watch)
    assert names(engine) == ["items.csv"]
    assert not list(inbox.iterdir())


def test_the_marker_of_a_file_that_its_sender_removes_while_it_lands_vouches_for_no_other(
    engine: Engine, inbox: Path
) -> None:
    (inbox / "items.csv").write_text(ITEMS)
    (inbox / "items.csv.done").touch()
    watch = looking(engine, complete_on="marker", marker_suffixes=(".done",))
    with armed(lambda point: (inbox / "items.csv").unlink() if point == "taking.landed" else None):
        settled(watch)
    assert names(engine) == ["items.csv"]
    (inbox / "items.csv").write_text(ITEMS[:20])  # the next one, not whole yet
    for _ in range(3):
        settled(watch)
    assert names(engine) == ["items.csv"]


def test_a_large_file_keeps_nobody_waiting(
    engine: Engine, inbox: Path, watching: Callable[..., FolderWatch], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingester.watch.folder._LARGE", 1000)
    large, go_on = threading.Event(), threading.Event()
    watch = watching()
    submit = watch._taking.submit

    def slowly(tenant: str, root: Path, candidates: Any, *arguments: Any, **words: Any) -> Any:
        if candidates[0].facts[1] >= 1000:
            large.set()
            go_on.wait(10)
        return submit(tenant, root, candidates, *arguments, **words)

    monkeypatch.setattr(watch._taking, "submit", slowly)
    (inbox / "items_large.csv").write_text("external_id,label\n" + "".join(f"k{i},x\n" for i in range(500)))
    large.wait(10)
    (inbox / "items.csv").write_text(ITEMS)
    until(lambda: names(engine) == ["items.csv"])
    go_on.set()
    until(lambda: names(engine) == ["items.csv", "items_large.csv"])
    until(lambda: not list(inbox.iterdir()))


def test_a_copy_between_filesystems_is_the_same(engine: Engine, inbox: Path) -> None:
    others = [path for path in map(Path, ("/dev/shm", "/var/tmp")) if path.is_dir()]
    other = next((path for path in others if path.stat().st_dev != inbox.stat().st_dev), None)
    if other is None:
        pytest.skip("there is no other filesystem")
    elsewhere = other / f"ingester-test-{os.getpid()}"
    elsewhere.mkdir()
    try:
        inbox.rmdir()
        inbox.symlink_to(elsewhere)  # as an operator might
        (inbox / "items.csv").write_text(ITEMS)
        settled(looking(engine))
        ((_, drop),) = engine.ledger.imports()
        assert (engine.directory.root / drop.location).read_text() == ITEMS
        assert not list(elsewhere.iterdir())
    finally:
        shutil.rmtree(elsewhere)


def test_hints_say_when_events_were_lost(tmp_path: Path) -> None:
    hints = Hints()
    hints.start()
    try:
        assert hints.listen("acme", tmp_path, "", tmp_path.stat().st_ino)
        assert hints.listen("acme", tmp_path, "", tmp_path.stat().st_ino) is False
        (tmp_path / "a.csv").write_text("x")
        until(lambda: hints.something.is_set())
        time.sleep(0.1)
        assert hints.take().files == {"acme": {("", "a.csv"): Evidence.CLOSED}}
        with hints._lock:  # whoever reads the events waits, and the kernel's queue fills
            for number in range(20_000):
                os.link(tmp_path / "a.csv", tmp_path / f"b{number}.csv")
        until(lambda: hints.take().lost)
    finally:
        hints.stop()


@pytest.mark.alone
@pytest.mark.timeout(300)
def test_of_a_burst_of_20000_files_that_overflows_the_events_every_one_lands_exactly_once(
    engine: Engine, inbox: Path, watching: Callable[..., FolderWatch]
) -> None:
    watch = watching(settle_seconds=1.0)
    heard: list[bool] = []
    take = watch._hints.take

    def listening() -> Any:
        found = take()
        heard.append(found.lost)
        return found

    watch._hints.take = listening  # type: ignore[method-assign]  # to see that events were lost
    with watch._hints._lock:  # else the machine might be quick enough to hear them all
        for number in range(20_000):
            (inbox / f"items_{number}.csv").write_text(f"external_id,label\nk{number},x\n")
    began = time.monotonic()
    until(lambda: not any(inbox.iterdir()), 240, poll=1.0)
    print(f"20,000 files landed in {time.monotonic() - began:.1f} s")
    assert any(heard)
    found = [drop.name for _, drop in engine.ledger.imports(limit=100_000)]
    assert len(found) == 20_000
    assert set(found) == {f"items_{number}.csv" for number in range(20_000)}


def test_what_comes_beside_a_file_has_no_marker_of_its_own(engine: Engine, inbox: Path) -> None:
    acme = engine.tenants.get("acme")
    said = {"checksum": "md5", "control": "{stem}_control.csv"}
    feed = declare(name="goods", entity="item", pattern="goods*", complete_on="marker", reads=said)
    engine.tenants.add_feed(feed.feed(acme, engine.rules))
    watch = looking(engine)
    digest = hashlib.md5(ITEMS.encode()).hexdigest()
    for name, content in (("goods_control.csv", "rows\n"), ("goods.csv.md5", digest), ("goods.csv", ITEMS)):
        (inbox / name).write_text(content)
    (inbox / "goods_control.csv").write_text(f"rows={len(ITEMS.splitlines()) - 1}\n")
    settled(watch)
    assert names(engine) == []
    assert [path.name for path in inbox.iterdir()] == ["goods.csv"]
    (inbox / "goods.csv.fin").touch()
    settled(watch)
    assert list(inbox.iterdir()) == []
    assert engine.work() == 1
    ((job, _),) = engine.ledger.imports()
    assert (job.status, job.reason) == ("completed", None)
    # A crash between landing and removing, as the next look finds it.
    settled(watch)
    assert names(engine) == ["goods.csv"]


def test_a_stand_by_takes_nothing_until_it_leads(engine: Engine, inbox: Path) -> None:
    leads = threading.Event()
    settings = FolderSettings(settle_seconds=0.05)
    watch = FolderWatch(engine.ledger, engine.intake, engine.router, engine.directory, settings, leads.is_set)
    watch.start()
    try:
        (inbox / "items.csv").write_text(ITEMS)
        time.sleep(0.5)
        assert names(engine) == []
        leads.set()
        until(lambda: names(engine) == ["items.csv"])
        leads.clear()
        time.sleep(0.3)  # what it was about when it lost the lead
        (inbox / "items_2.csv").write_text(ITEMS)
        time.sleep(0.5)
        assert names(engine) == ["items.csv"]
        leads.set()
        until(lambda: names(engine) == ["items.csv", "items_2.csv"])
    finally:
        watch.stop()
