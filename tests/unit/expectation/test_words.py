"""What a feed expects, in an operator's words: which are taken, in which forms, and what is said of the others."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from ingester.expectation.words import Expects


def said(text: str) -> dict[str, Any]:
    return Expects.model_validate(yaml.safe_load(text)).said()


def test_only_what_is_not_the_default_is_kept() -> None:
    text = "{by: '02:30', days: mon-fri, grace: 30m, min_rows: 100, shrink: 50, holidays: DE-BY}"
    assert said(text) == yaml.safe_load(text)
    assert said("{by: '02:30', days: daily, grace: 0m, min_rows: 1}") == {"by": "02:30"}
    assert said("{}") == {}


def test_what_is_kept_is_read_again_as_it_was() -> None:
    for text in ("{by: ['18:00', '6:00'], window: 4h}", "{cron: '*/15 8-17 * * mon-fri', grace: 5m}", "{shrink: 0}"):
        words = said(text)
        assert Expects.model_validate_json(json.dumps(words)).said() == words


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("02:30", "02:30"),
        # YAML reads it as a number to the base of 60.
        ("14:30", "14:30"),
        ("[9:05, 23:59]", "09:05,23:59"),
        ("'18:00, 06:00, 18:00'", "06:00,18:00"),
    ],
)
def test_times_are_read_however_yaml_takes_them(written: str, meant: str) -> None:
    assert said(f"{{by: {written}}}") == {"by": meant}


def test_norway_is_a_country_whatever_yaml_thinks() -> None:
    assert said("{by: '02:30', holidays: NO}") == {"by": "02:30", "holidays": "NO"}
    assert said("{by: '02:30', holidays: [NO, de-by]}")["holidays"] == "NO,DE-BY"


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("{by: noon}", "a time of day is written as 02:30"),
        ("{by: '24:00'}", "a time of day is written as 02:30"),
        ("{by: 5}", "valid string"),
        ("{by: '02:30', days: funday}", "'funday' names no days"),
        ("{by: '02:30', days: mon-tue-wed}", "names no days"),
        ("{by: '02:30', grace: soon}", "'soon' is not a length of time"),
        ("{by: '02:30', grace: ''}", "is not a length of time"),
        ("{by: '02:30', grace: 30}", "valid string"),
        ("{by: '02:30', cron: '0 2 * * *'}", "either `by` or `cron`"),
        ("{cron: '0 2 * * *', days: mon-fri}", "`cron` says the days itself"),
        ("{days: mon-fri}", "`days` needs `by` or `cron`"),
        ("{grace: 30m, min_rows: 5}", "`grace` needs `by` or `cron`"),
        ("{by: '02:30', holidays: XX}", "no holidays are known of 'XX'"),
        ("{by: '02:30', holidays: DE-XX}", "no holidays are known of 'DE-XX'"),
        ("{cron: '0 2 * *'}", "five fields"),
        ("{cron: '60 2 * * *'}", "minute '60'"),
        ("{cron: '0 5-2 * * *'}", "hour '5-2'"),
        ("{cron: '0 2 * * frog'}", "weekday 'frog'"),
        ("{cron: '*/0 2 * * *'}", "minute '*/0'"),
        ("{min_rows: -1}", "greater than or equal to 0"),
        ("{shrink: 101}", "less than or equal to 100"),
        ("{bye: '02:30'}", "Extra inputs"),
    ],
)
def test_what_makes_no_sense_is_named(text: str, mistake: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Expects.model_validate(yaml.safe_load(text))
    assert mistake in str(caught.value)
