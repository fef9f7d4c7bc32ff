"""What people see of a number in a workbook is its value where zeros are kept, and only there."""

from __future__ import annotations

import pytest

from ingester.formats.sheets.number_format import padding


@pytest.mark.parametrize(
    ("code", "number", "shown"),
    [
        ("00000", 123, "00123"),
        ("000-00-0000", 12345678, "012-34-5678"),
        ('"INV-"0000', 7, "INV-0007"),
        ("(000) 000-0000", 5551234567, "(555) 123-4567"),
        ("00\\.00\\.0000", 3042026, "03.04.2026"),
        ("00\\_00", 123, "01_23"),
        ("00000_)", 123, "00123"),
        ("00000_-;-00000_-", 123, "00123"),
        ("00000*-", 123, "00123"),
        ("[<=99999]00000;00000-0000", 2134, "02134"),
        ("[<=99999]00000;00000-0000", 21341234, "02134-1234"),
    ],
)
def test_zeros_that_people_see_stay(code: str, number: int, shown: str) -> None:
    show = padding(code)
    assert show is not None
    assert show(number) == shown


@pytest.mark.parametrize(
    "code",
    [
        "General", "0", "0.00", "#,##0", "00%", "$00", '00 "kg"', "[>5]00;000",
        # Read as a number, it would be another one.
        "0\\.00", "0\\,00", '0"."000', "(000)", "-00", "00\\-", "0\\.000\\,00",
    ],
)  # fmt: skip
def test_a_format_that_is_for_the_eye_changes_nothing(code: str) -> None:
    assert padding(code) is None
