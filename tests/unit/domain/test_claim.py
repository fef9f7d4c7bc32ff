"""What checksum files, control files and trailers say, in every form that programs write."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingester.domain.claim import amounts, of_checksum, of_control, of_trailer

MD5 = "0123456789abcdef" * 2
SHA256 = MD5 * 2
OTHER = "f" * 32


def digest(text: str, *, whole: bool = True, name: str = "x.csv") -> str | None:
    found = of_checksum(text, "it", "md5", name, whole=whole)
    return None if found is None else found.digests["md5"]


@pytest.mark.parametrize(
    "text",
    [
        MD5,
        f"{MD5.upper()}\r\n",
        f"{MD5}  x.csv\n",
        f"{MD5} *x.csv\n",
        f"\\{MD5}  x.csv\n",
        f"{MD5}  ./out/X.csv\n",
        f"{MD5} C:\\out\\x.csv",
        f"MD5 (x.csv) = {MD5}\n",
        f"MD5(x.csv)= {MD5}\n",
        f"# made by us\n{OTHER}  y.csv\n{MD5}  x.csv\n",
        f"MD5 hash of x.csv:\n{MD5}\nCertUtil: done\n",
    ],
)
def test_a_digest_is_read_as_programs_write_it(text: str) -> None:
    assert digest(text) == MD5


def test_a_checksum_file_of_that_very_name_is_about_it_whatever_it_says() -> None:
    assert digest(f"{MD5}  upload.tmp") == MD5
    assert digest(f"{MD5}  upload.tmp", whole=False) is None
    assert digest(MD5, whole=False) == MD5


@pytest.mark.parametrize("text", ["", "what", MD5[:-1], SHA256, f"{MD5}\n{OTHER}", f"{MD5}  x.csv\n{OTHER}  x.csv"])
def test_what_is_no_checksum_or_is_several_says_so(text: str) -> None:
    with pytest.raises(ValueError, match="digest"):
        digest(text)


@pytest.mark.parametrize(
    "text",
    [
        "rows=1200\nsum_amount=12.50\nfile=x.csv\n",
        "Row Count: 1,200\r\nSum(amount): 12.50\r\nFile Name: out/x.csv\r\ncreated: 2026-01-01 10:00\r\n",
        "RECORDS = 001200\nSUM:amount = 12.50\n",
        "count: 1200\nsum:amount: 12.50",
        '{"rows": 1200, "sum_amount": 12.50, "file": "x.csv"}',
        '{"record_count": "1200", "sums": {"amount": "12.50"}, "by": ["us"]}',
        "file;rows;sum_amount\nx.csv;1200;12.50\n",
        "file\trecords\ttotal amount\nx.csv\t1200\t12.50\n",
        '"rows","sum_amount"\n"1200","12.50"\n',
        "\ufeff# ours\nrows=1200\nsum-amount=12.50\n",
    ],
)
def test_a_control_file_is_read_in_every_form(text: str) -> None:
    found = of_control(text, "it", "x.csv")
    assert (found.rows, dict(found.sums)) == (1200, {"amount": "12.50"})


def test_plain_words_are_sums_only_where_they_may_be() -> None:
    found = of_control(f"amount=12.50\nday=monday\nmd5={MD5}\nchecksum={SHA256.upper()}", "it", "x.csv")
    assert (found.sums, found.maybe) == ({}, {"amount": "12.50"})
    assert found.digests == {"md5": MD5, "sha256": SHA256}


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "neither"),
        ("hello", "neither"),
        ("day=monday", "neither"),
        ("rows=many", "count of rows is 'many'"),
        ("rows=-1", "count of rows is '-1'"),
        ("rows=1\nrecords=2", "several counts"),
        ("sum_a=x", "sum_a is no number"),
        ("sum_a=1\nsum_a=2", "says a twice"),
        ("md5=12", "no MD5 or SHA-256"),
        ("file=y.csv\nrows=1", "about 'y.csv'"),
        ("{", "no JSON"),
        ("{" * 100_000, "no JSON"),
    ],
)
def test_a_control_file_that_cannot_be_used_says_why(text: str, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        of_control(text, "it", "x.csv")


@given(st.text(max_size=400))
def test_no_text_breaks_a_reader(text: str) -> None:
    for read in (lambda: of_control(text, "it", "x.csv"), lambda: of_checksum(text, "it", "md5", "x.csv", whole=True)):
        try:
            read()
        except ValueError as error:
            assert str(error)  # noqa: PT017 -- either answer is one
    of_trailer(text, "T|{rows}|{sum:a}|{any}")


@pytest.mark.parametrize(
    ("line", "rows", "amount"),
    [("T|12|3.5|x", 12, "3.5"), ("T|0000012| 3,50 |", 12, "3,50"), ("  T| 7 |-1.234,5|a|b", 7, "-1.234,5")],
)
def test_a_trailer_is_read_by_its_template(line: str, rows: int, amount: str) -> None:
    found = of_trailer(line, "T|{rows}|{sum:a}|{any}")
    assert found is not None
    assert (found.rows, dict(found.sums)) == (rows, {"a": amount})


@pytest.mark.parametrize("line", ["", "T|x|1|", "T|12|much|", "X|12|1|", "T|12|1"])
def test_another_line_is_no_trailer(line: str) -> None:
    assert of_trailer(line, "T|{rows}|{sum:a}|{any}") is None


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("1234.50", {"1234.5"}),
        ("1,234.50", {"1234.5"}),
        ("1.234,50", {"1234.5"}),
        ("1 234,50", {"1234.5"}),
        ("1'234.50", {"1234.5"}),
        ("1,234", {"1234", "1.234"}),
        ("0.123", {"0.123"}),
        ("1,234,567", {"1234567"}),
        ("-5", {"-5"}),
        ("5-", {"-5"}),
        ("(5)", {"-5"}),
        ("+.5", {"0.5"}),
        ("--5", set()),
        ("1e5", set()),
        ("", set()),
        (".", set()),
        ("1" * 101, set()),
    ],
)
def test_a_number_means_all_that_it_may(written: str, meant: set[str]) -> None:
    assert amounts(written) == set(map(Decimal, meant))


def test_a_feed_that_says_what_stands_before_fractions_leaves_one_meaning() -> None:
    assert amounts("1,234", ",") == {Decimal("1.234")}
    assert amounts("1,234", ".") == {Decimal(1234)}
    assert amounts("1,2,3", ",") == set()


def test_neither_a_long_line_nor_a_long_control_file_takes_long() -> None:
    template = "T|" + "|".join(["{any}"] * 9) + "|{rows}"
    assert of_trailer("T" + "|" * 16_000 + "x", template) is None
    with pytest.raises(ValueError, match="over 100 numbers"):
        of_control("".join(f"a{number}=1\n" for number in range(8000)), "it", "x.csv")
    with pytest.raises(ValueError, match="neither"):
        of_control('"a\nb', "it", "x.csv")
