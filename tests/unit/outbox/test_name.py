"""Names in the outbox: the drop's own, its short id, what it is."""

from __future__ import annotations

from ingester.outbox import name


def test_the_names_are_those_of_the_contract() -> None:
    drop = "customers_2026-11-21.csv"
    assert [name.status(drop, "7f3a9c2e"), name.errors(drop, "7f3a9c2e"), name.rejects(drop, "7f3a9c2e")] == [
        f"{drop}.7f3a9c2e.{what}" for what in ("status.json", "errors.csv", "rejects.csv")
    ]


def test_a_long_name_is_cut_at_180_bytes() -> None:
    assert name.stem("a" * 180, "id") == "a" * 180 + ".id"
    assert name.stem("a" * 181, "id") == "a" * 180 + ".id"


def test_a_cut_never_goes_through_a_character() -> None:
    assert name.stem("ä" * 91, "id") == "ä" * 90 + ".id"
    assert name.stem("a" + "ä" * 90, "id") == "a" + "ä" * 89 + ".id"
    assert name.stem("日" * 100, "id") == "日" * 60 + ".id"
