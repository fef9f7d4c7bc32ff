"""Which folder and name an object has, and which keys are files."""

from __future__ import annotations

import pytest

from ingester.routing import Router
from ingester.store.ledger_tables import S3Inbox, Tenant
from ingester.watch.s3.listing import is_file
from ingester.watch.s3.place import place
from tests.integration.engine.harness import SHOP

ROUTER = Router(SHOP)
TENANT = Tenant(name="acme", catalogues=["shop"])


def inbox(folder: str = "", prefix: str = "in/") -> S3Inbox:
    return S3Inbox(tenant="acme", name="main", bucket="b", prefix=prefix, folder=folder)


@pytest.mark.parametrize(
    ("folder", "path", "where"),
    [
        ("", "", ""),
        ("", "item/", "item"),
        ("", "item/2026/11/22/", "item"),
        ("", "2026/item/", ""),
        ("", "validate/", "validate"),
        ("", "validate/item/x/", "validate/item"),
        ("", "validate/2026/", "validate"),
        ("", "../item/", ""),
        ("item", "", "item"),
        ("item", "category/", "item"),
        ("item", "validate/", "validate/item"),
        ("item", "validate/category/", "validate/item"),
        ("validate", "", "validate"),
        ("validate", "item/", "validate/item"),
        ("validate", "validate/item/", "validate/item"),
        ("validate/item", "category/", "validate/item"),
    ],
)
def test_the_path_below_the_prefix_is_a_folder_as_far_as_the_inbox_has_it(folder: str, path: str, where: str) -> None:
    assert place(ROUTER, TENANT, inbox(folder), f"in/{path}x.csv") == (where, "x.csv")


def test_a_name_has_nothing_in_it_that_could_not_be_listed() -> None:
    assert place(ROUTER, TENANT, inbox(prefix=""), "a\nb\x00c\u2028d.csv") == ("", "a_b_c_d.csv")


@pytest.mark.parametrize(
    ("key", "is_one"),
    [
        ("in/x.csv", True),
        ("in/a/b/x.csv", True),
        ("in/../x.csv", True),
        ("in/./x.csv", True),
        ("in//x.csv", True),
        ("in/", False),
        ("in/x\x00.csv", False),
        ("in/a/", False),
        ("in/.x.csv", False),
        ("in/.a/x.csv", False),
        ("in/..", False),
        ("in/x.csv~", False),
        ("in/x.csv.PART", False),
    ],
)
def test_which_keys_are_finished_files(key: str, is_one: bool) -> None:
    assert is_file(inbox(), key) is is_one
