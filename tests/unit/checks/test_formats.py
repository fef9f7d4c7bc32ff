from __future__ import annotations

import pyarrow as pa
import pytest

from ingester.checks.compile import CompiledEntity
from ingester.ruleset.model import Entity, Field


def accepts(name: str, cell: str) -> bool:
    entity = Entity(catalogue="c", name="e", fields=(Field(name="f", format=name),))
    return not CompiledEntity(entity).check({"f": pa.array([cell])}).findings


@pytest.mark.parametrize(
    "cell",
    [
        "a@b.co",
        f"{'a' * 64}@b.co",
        "first.last+tag@sub.example-site.org",
        "o'neil@example.ie",
        "x_y@1and1.de",
        "a@b.xn--p1ai",
        "1@2.io",
    ],
)
def test_an_address_people_use_is_an_email(cell: str) -> None:
    assert accepts("email", cell)


@pytest.mark.parametrize(
    "cell",
    [
        "plain",
        "a@b",
        "@b.co",
        "a@.co",
        "a@b..co",
        ".a@b.co",
        "a.@b.co",
        "a..b@c.de",
        "a@b.co\n",
        " a@b.co",
        "a b@c.de",
        "a@-b.co",
        "a@b-.co",
        "a@b.c-",
        "a@b_c.de",
        "a@b.co,c@d.ef",
        "a@1.2.3.4",
        "a@b.co\x00",
        f"{'a' * 65}@b.co",
        f"a@{'b' * 250}.co",
    ],
)
def test_what_is_no_address_is_no_email(cell: str) -> None:
    assert not accepts("email", cell)


@pytest.mark.parametrize(
    "cell",
    [
        "https://example.com",
        "HTTP://user@example.com:8080/a/b?c=d#e",
        "mailto:a@b.co",
        "urn:isbn:0451450523",
        "file:///tmp/x",
        "ftp://example.com/%20x",
        "https://example.com/bücher",
        "http://[::1]/",
        "tel:+15550100",
    ],
)
def test_an_absolute_address_is_a_uri(cell: str) -> None:
    assert accepts("uri", cell)


@pytest.mark.parametrize(
    "cell",
    [
        "example.com",
        "/path",
        "//example.com",
        "http://",
        "http:///x",
        "https://exa mple.com",
        "http://a/%zz",
        "1a:b",
        "C:\\folder",
        "https://example.com\n",
        "mailto:",
        "note: text",
        "http://a/<b>",
    ],
)
def test_what_is_no_absolute_address_is_no_uri(cell: str) -> None:
    assert not accepts("uri", cell)


def test_a_uuid_has_its_hyphens_and_any_case() -> None:
    assert accepts("uuid", "123e4567-E89B-12d3-a456-426614174000")
    assert not accepts("uuid", "123e4567e89b12d3a456426614174000")
    assert not accepts("uuid", "{123e4567-e89b-12d3-a456-426614174000}")
    assert not accepts("uuid", "123e4567-e89b-12d3-a456-42661417400g")
    assert not accepts("uuid", "123e4567-e89b-12d3-a456-426614174000\n")
