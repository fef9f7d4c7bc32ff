"""What notifications say, in each of the forms in which they come."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingester.watch.s3.event import Unreadable, named
from tests.examples import examples


def record(key: str, name: str = "ObjectCreated:Put") -> dict[str, Any]:
    return {"eventName": name, "s3": {"bucket": {"name": "b"}, "object": {"key": key}}}


S3 = {"Records": [record("in/a+b%20%C3%BC%2B.csv"), record("in/c.csv", "s3:ObjectCreated:CompleteMultipartUpload")]}
EVENTBRIDGE = {
    "detail-type": "Object Created",
    "detail": {"bucket": {"name": "b"}, "object": {"key": "in/a+b%20.csv"}},
}


@pytest.mark.parametrize(
    ("message", "objects"),
    [
        (S3, [("b", "in/a b ü+.csv"), ("b", "in/c.csv")]),
        ({"Type": "Notification", "Message": json.dumps(S3)}, [("b", "in/a b ü+.csv"), ("b", "in/c.csv")]),
        (EVENTBRIDGE, [("b", "in/a+b%20.csv")]),
        ({**EVENTBRIDGE, "detail-type": "Object Deleted"}, []),
        ({"Service": "Amazon S3", "Event": "s3:TestEvent"}, []),
        ({"Records": []}, []),
        ({"Records": [record("in/a.csv", "ObjectRemoved:Delete"), record("x", "ObjectRestore:Post")]}, []),
        ({"Records": [record("in/a.csv", "ObjectRestore:Completed")]}, [("b", "in/a.csv")]),
    ],
)
def test_the_objects_that_a_message_says_were_created(message: Any, objects: list[tuple[str, str]]) -> None:
    assert named(json.dumps(message)) == objects


@examples(40)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["Records", "Type", "Message", "detail-type", "detail", "eventName", "s3", "Event", "x"]
                )
                | st.text(max_size=3),
                inner,
                max_size=4,
            )
        ),
    )
)
def test_nothing_that_is_no_notification_does_harm(message: Any) -> None:
    with contextlib.suppress(Unreadable):
        assert isinstance(named(json.dumps(message)), list)


@pytest.mark.parametrize("body", ["", "{", "null", "1", '"x"', "[" * 100_000, '{"Type":"Notification","Message":"{"}'])
def test_garbage_is_told_from_notifications(body: str) -> None:
    with pytest.raises(Unreadable):
        named(body)
