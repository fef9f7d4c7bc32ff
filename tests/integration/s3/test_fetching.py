"""Bytes on their way from a bucket: what breaks is resumed or read again, what changed meanwhile is not taken."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Callable

import pytest

from ingester.store.ledger_tables import S3Inbox
from ingester.watch.s3.client import Clients
from tests.integration.s3.desk import ITEMS, Desk
from tests.proxy import Asked

KEY = "in/items.csv"
#: Large enough for several reads of a body.
LARGE = b"external_id,label\n" + b"".join(b"k%d,%s\n" % (number, b"x" * 90) for number in range(30_000))


def reading(key: str = KEY) -> Callable[[Asked], bool]:
    return lambda asked: asked.method == "GET" and asked.path.endswith(key)


def listing(asked: Asked) -> bool:
    return "list-type=2" in asked.path


@pytest.fixture
def inbox(desk: Desk) -> S3Inbox:
    return desk.inbox()


def assert_landed(desk: Desk, content: bytes) -> None:
    (drop,) = desk.drops()
    assert (drop.size, drop.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert desk.content(drop) == content
    assert list(desk.engine.directory.incoming.iterdir()) == []


@pytest.mark.parametrize(("at", "reset"), [(0, True), (1, False), (1_500_000, False), (1_500_000, True)])
def test_a_body_that_breaks_off_goes_on_where_it_was(desk: Desk, inbox: S3Inbox, at: int, reset: bool) -> None:
    desk.bucket.put(KEY, LARGE)
    desk.proxy.break_next(reading(), cut_at=at, reset=reset)
    desk.bring(inbox)
    assert_landed(desk, LARGE)
    first, *more = desk.proxy.of("GET", KEY)
    assert "Range" not in first.headers
    assert len(more) >= 1
    for asked in more:
        start = int(asked.headers.get("Range", "bytes=0-").removeprefix("bytes=").removesuffix("-"))
        # A reset may take with it what was sent before.
        assert start <= at
        assert asked.headers["If-Match"] == first.headers["If-Match"]
    if at > 1 and not reset:
        assert more[0].headers["Range"] == f"bytes={at}-"


def test_a_body_that_stops_coming_is_asked_for_again(desk: Desk, inbox: S3Inbox) -> None:
    desk.bucket.put(KEY, LARGE)
    desk.new_watch(clients=Clients(read_seconds=0.5))
    desk.proxy.break_next(reading(), cut_at=100_000, silent=1.0)
    desk.bring(inbox)
    assert_landed(desk, LARGE)


def test_errors_of_a_busy_server_are_waited_out(desk: Desk, inbox: S3Inbox) -> None:
    desk.bucket.put(KEY, ITEMS)
    desk.proxy.break_next(listing, status=503)
    desk.proxy.break_next(reading(), status=503)
    desk.bring(inbox)
    assert_landed(desk, ITEMS.encode())


def test_a_server_that_is_busy_for_long_is_asked_again_later(desk: Desk, inbox: S3Inbox) -> None:
    desk.bucket.put(KEY, ITEMS)
    fault = desk.proxy.break_next(reading(), status=503, times=100)
    desk.bring(inbox)
    assert desk.landed() == []
    fault.times = 0
    desk.bring(inbox)
    assert desk.landed() == [], "it was asked again at once"
    desk.make_due()
    desk.bring(inbox)
    assert_landed(desk, ITEMS.encode())


def test_one_object_s_trouble_is_not_the_others(desk: Desk, inbox: S3Inbox) -> None:
    for name in "abc":
        desk.bucket.put(f"in/items_{name}.csv", ITEMS)
    desk.proxy.break_next(reading("b.csv"), status=403, times=100)
    desk.bring(inbox)
    assert [name for _, name in desk.landed()] == ["items_a.csv", "items_c.csv"]


def test_a_server_that_ignores_ranges_is_read_from_the_beginning(desk: Desk, inbox: S3Inbox) -> None:
    desk.bucket.put(KEY, LARGE)
    desk.proxy.break_next(reading(), cut_at=1_000_000)
    desk.proxy.break_next(reading(), hides=("Range",))
    desk.bring(inbox)
    assert_landed(desk, LARGE)


# --- changes meanwhile -----------------------------------------------------------------------------------------------


def test_an_object_that_is_overwritten_between_listing_and_reading_is_taken_as_it_is_now(
    desk: Desk, inbox: S3Inbox
) -> None:
    desk.bucket.put(KEY, ITEMS)
    newer = ITEMS.replace("Alpha", "Omega").encode()
    desk.proxy.break_next(reading(), before=lambda: desk.bucket.put(KEY, newer))
    desk.bring(inbox)
    assert desk.landed() == []
    desk.bring(inbox)
    assert_landed(desk, newer)


@pytest.mark.parametrize("hides", [(), ("If-Match",)])
def test_an_object_that_is_overwritten_while_it_is_read_is_never_mixed(
    desk: Desk, inbox: S3Inbox, hides: tuple[str, ...]
) -> None:
    """Not even by a server that knows no conditions."""
    desk.bucket.put(KEY, LARGE)
    newer = LARGE.replace(b"x", b"y")
    desk.proxy.break_next(reading(), cut_at=1_000_000)
    desk.proxy.break_next(reading(), before=lambda: desk.bucket.put(KEY, newer), hides=hides)
    desk.bring(inbox)
    assert desk.landed() == []
    assert list(desk.engine.directory.incoming.iterdir()) == []
    desk.bring(inbox)
    assert_landed(desk, newer)


def test_an_object_that_goes_before_it_is_read_is_no_drop(desk: Desk, inbox: S3Inbox) -> None:
    desk.bucket.put(KEY, ITEMS)
    gone = {"Bucket": desk.bucket.name, "Key": KEY}
    desk.proxy.break_next(reading(), before=lambda: desk.bucket.client.delete_object(**gone))
    desk.bring(inbox)
    assert (desk.landed(), desk.open_objects()) == ([], [])


def test_the_version_that_was_begun_is_read_to_its_end(desk: Desk, inbox: S3Inbox) -> None:
    desk.bucket.keep_versions()
    desk.bucket.put(KEY, LARGE)
    desk.proxy.break_next(reading(), cut_at=1_000_000)
    newer = LARGE.replace(b"x", b"y")
    desk.proxy.break_next(
        lambda asked: asked.method == "GET" and "versionId=" in asked.path,
        before=lambda: desk.bucket.put(KEY, newer),
    )
    desk.bring(inbox)
    assert_landed(desk, LARGE)
    desk.bring(inbox)
    assert [desk.content(drop) for drop in desk.drops()] == [LARGE, newer]


# --- verification ----------------------------------------------------------------------------------------------------

PLAIN = {"x-amz-checksum-crc32": None, "x-amz-sdk-checksum-algorithm": None}


def spoilt(body: bytes) -> bytes:
    return b"?" + body[1:]


def differently_spoilt(body: bytes) -> bytes:
    return os.urandom(4) + body[4:]


@pytest.mark.parametrize("headers", [{}, PLAIN])
def test_bytes_that_are_spoilt_on_the_way_are_read_again(desk: Desk, inbox: S3Inbox, headers: dict[str, None]) -> None:
    desk.bucket.put(KEY, ITEMS)
    desk.proxy.break_next(reading(), body=spoilt, answer_headers=dict(headers))
    desk.bring(inbox)
    assert_landed(desk, ITEMS.encode())


@pytest.mark.parametrize(("spoil", "headers"), [(spoilt, {}), (differently_spoilt, PLAIN)])
def test_bytes_that_contradict_their_checksum_are_not_taken(
    desk: Desk, inbox: S3Inbox, spoil: Callable[[bytes], bytes], headers: dict[str, None]
) -> None:
    desk.bucket.put(KEY, ITEMS)
    fault = desk.proxy.break_next(reading(), body=spoil, times=100, answer_headers=dict(headers))
    desk.bring(inbox)
    assert desk.landed() == []
    fault.times = 0
    desk.make_due()
    desk.bring(inbox)
    assert_landed(desk, ITEMS.encode())


@pytest.mark.parametrize(
    "headers",
    [
        PLAIN,
        {**PLAIN, "x-amz-server-side-encryption": "aws:kms"},
        {**PLAIN, "x-amz-server-side-encryption-customer-algorithm": "AES256"},
    ],
)
def test_an_etag_that_is_no_digest_keeps_nothing_out(
    desk: Desk, inbox: S3Inbox, headers: dict[str, str | None]
) -> None:
    desk.bucket.put(KEY, ITEMS)
    # As if the server had another idea of ETags: every body differs from what its ETag says, and always alike.
    desk.proxy.break_next(reading(), body=spoilt, times=100, answer_headers=dict(headers))
    desk.bring(inbox)
    assert_landed(desk, spoilt(ITEMS.encode()))
    assert len(desk.proxy.of("GET", KEY)) == (2 if headers == PLAIN else 1)


def test_an_object_put_in_parts_is_verified_by_its_parts(desk: Desk, inbox: S3Inbox) -> None:
    part = b"external_id,label\n" + b"x" * (5 * 2**20 - 18)
    desk.bucket.put_in_parts(KEY, part, b"y,z\n")
    desk.proxy.break_next(reading(), body=spoilt, answer_headers=dict(PLAIN))
    desk.bring(inbox)
    assert_landed(desk, part + b"y,z\n")
    # The parts, and with them the end of the spoilt bytes, were seen through.
    assert len([asked for asked in desk.proxy.of("GET", KEY) if "partNumber" not in asked.path]) == 2


def test_parts_with_checksums_of_their_own_are_no_checksum_of_the_whole(desk: Desk, inbox: S3Inbox) -> None:
    part = b"x" * (5 * 2**20)
    desk.bucket.put_in_parts(KEY, part, b"y,z\n", ChecksumAlgorithm="SHA256")
    desk.bring(inbox)
    assert_landed(desk, part + b"y,z\n")


# --- stopping --------------------------------------------------------------------------------------------------------


def test_a_stop_leaves_a_half_read_object_for_the_next_start(desk: Desk, inbox: S3Inbox) -> None:
    desk.bucket.put(KEY, LARGE)
    desk.proxy.break_next(reading(), cut_at=1_000_000, times=100)
    thread = threading.Thread(target=desk.watch.bring, args=(inbox,))
    thread.start()
    while len(desk.proxy.of("GET", KEY)) < 2:
        time.sleep(0.01)
    desk.watch.stop()
    thread.join(10)
    assert not thread.is_alive()
    assert (desk.landed(), list(desk.engine.directory.incoming.iterdir())) == ([], [])
    desk.proxy.faults.clear()
    desk.restart()
    desk.bring(inbox)
    assert_landed(desk, LARGE)
