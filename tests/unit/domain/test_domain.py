"""Names, statuses, notices and errors: the closed vocabularies."""

from __future__ import annotations

import re

import pytest

from ingester.domain import errors, name, notice
from ingester.domain.errors import ConfigurationError, IngesterError, PermanentError, TransientError, UsageError
from ingester.domain.name import is_unfinished, refuse_odd_source
from ingester.domain.phase import PhaseName
from ingester.domain.status import TRANSITIONS, Status


@pytest.mark.parametrize("name", ["a.filepart", "a.part", "a.csv.PART", "a.tmp", ".a", "a~", "a.csv~", "a.crdownload"])
def test_names_under_which_clients_write_are_unfinished(name: str) -> None:
    assert is_unfinished(name)


@pytest.mark.parametrize("name", ["a.csv", "part.csv", "a.part.csv", "~a.csv", "tmp", "partial", "a.parts"])
def test_other_names_are_not(name: str) -> None:
    assert not is_unfinished(name)


@pytest.mark.parametrize("source", ["default", "crm", "company:7", "Head office (Köln)", "東京", "x" * 100])
def test_a_source_may_have_any_name_that_people_can_read(source: str) -> None:
    refuse_odd_source(source)


@pytest.mark.parametrize(
    "source",
    [
        *("", " ", " crm", "crm ", "\u00a0crm", "crm\n", "c\trm", "crm\0", "crm\x1b[1m", "x" * 101),
        *("crm\u200b", "\u202ecrm", "crm\u2028", "\ufeffcrm", "crm\udcff"),
    ],
)
def test_a_source_that_could_not_be_told_from_another_is_refused_with_what_is_allowed(source: str) -> None:
    with pytest.raises(UsageError, match=r"1 to 100 printable characters, no blank before or after") as refused:
        refuse_odd_source(source)
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 250


def test_every_status_says_where_it_can_go_and_only_what_ended_for_good_goes_nowhere() -> None:
    assert set(TRANSITIONS) == set(Status)
    assert {status for status in Status if not TRANSITIONS[status]} == {
        Status.COMPLETED,
        Status.EXPIRED,
        Status.CANCELED,
    }
    assert {status for status in Status if status.ended and TRANSITIONS[status]} == {Status.FAILED, Status.TIMED_OUT}
    # What ended comes back only by a retry.
    assert all(TRANSITIONS[status] <= {Status.QUEUED} for status in Status if status.ended)


def test_every_status_can_be_reached() -> None:
    reached = {Status.REQUESTED, Status.QUEUED}.union(*TRANSITIONS.values())
    assert reached == set(Status)


def test_the_seven_phases_stand_in_their_order() -> None:
    assert [phase.value for phase in PhaseName] == [
        *("prevalidation", "preparsing", "transforming", "parsing", "validation", "processing", "cleanup")
    ]


def test_a_message_is_filled_in_and_a_customer_s_braces_are_left_alone() -> None:
    assert notice.message("missing_column", expected="'a {value} {expected}'", value="x").count("'") == 2
    assert notice.message("below_minimum", expected="5") == "Value must be at least 5"
    with pytest.raises(KeyError):
        notice.message("no_such_code")


def test_no_message_has_an_article_before_a_name_that_may_begin_with_any_letter() -> None:
    assert not [each.code for each in notice.CATALOGUE.values() if re.search(r"\ban? \{", each.message, re.IGNORECASE)]


def test_codes_are_unique() -> None:
    assert len(notice.CATALOGUE) == len(notice._ALL)


def test_an_error_is_one_line_that_says_what_and_how_to_mend_it() -> None:
    error = ConfigurationError("the port is in use", fix="Choose another.", port=22)
    assert (str(error), error.fields) == ("the port is in use. Choose another.", {"port": 22})
    assert str(TransientError()).startswith("It may work when tried again")


def test_every_error_is_worth_retrying_or_not() -> None:
    kinds = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, IngesterError)]
    for kind in kinds:
        if kind not in (IngesterError, errors.Held):
            assert issubclass(kind, TransientError) != issubclass(kind, PermanentError), kind


@pytest.mark.parametrize(
    ("said", "peeled", "is_archive"),
    [
        ("customers.csv", "customers.csv", False),
        ("customers.csv.gz", "customers.csv", False),
        ("customers.csv.ZIP.pgp", "customers.csv", True),
        ("nightly.zip", "nightly", True),
        ("nightly.zip.csv", "nightly.zip.csv", False),
        (".zip", ".zip", False),
        ("zip", "zip", False),
    ],
)
def test_a_name_is_peeled_of_what_the_file_is_packed_in(said: str, peeled: str, is_archive: bool) -> None:
    assert (name.peeled(said), name.is_archive(said)) == (peeled, is_archive)
