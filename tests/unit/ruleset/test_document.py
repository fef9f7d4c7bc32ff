from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ingester.ruleset import document
from ingester.ruleset.document import MAX_BYTES, Node, parse
from ingester.ruleset.mistake import Report
from tests.examples import examples


def read(data: str | bytes) -> tuple[Node | None, list[str]]:
    report = Report(Path("x.yaml"))
    node = parse(data if isinstance(data, bytes) else data.encode(), report)
    return node, [str(mistake) for mistake in report.mistakes]


def plain(node: Node) -> Any:
    match node.value:
        case dict() as keys:
            return {key: plain(value) for key, value in keys.items()}
        case list() as items:
            return [plain(item) for item in items]
    return node.value


def test_values_are_plain_and_numbers_exact() -> None:
    node, mistakes = read("a: 0.10\nb: 7\nc: true\nd: 2020-01-31\ne: '12'\nf: ~\ng: [x, -1.5]\nh: |\n  two\n  lines\n")
    assert node is not None
    assert plain(node) == {
        "a": Decimal("0.10"),
        "b": 7,
        "c": True,
        "d": "2020-01-31",
        "e": "12",
        "f": None,
        "g": ["x", Decimal("-1.5")],
        "h": "two\nlines\n",
    }
    assert mistakes == []


def test_a_value_stands_in_the_line_of_its_key_and_an_item_in_its_own() -> None:
    node, _ = read("# comment\na:\n  - one\n  -\n    b: two\n")
    assert node is not None
    assert isinstance(node.value, dict)
    a = node.value["a"]
    assert isinstance(a.value, list)
    assert (a.line, [item.line for item in a.value]) == (2, [3, 5])


@pytest.mark.parametrize("loader", ["CSafeLoader", "SafeLoader"])
@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("a: 1\nb: 2\na: 3\n", "x.yaml:3: a: duplicate key, first given in line 1"),
        ("a: &big [1]\nb: *big\n", "x.yaml:1: a: YAML anchors and aliases are not allowed: write the value out"),
        ("a: 1\nb: *big\n", "x.yaml:2: b: YAML anchors and aliases are not allowed: write the value out"),
        ("a: 1\n<<: {b: 1}\n", "x.yaml:2: a key must be plain text"),
        ("a: 1\n[b]: 1\n", "x.yaml:2: a key must be plain text"),
        ("a: !!python/object:os.system x\n", "x.yaml:1: a: YAML tags are not allowed: tag:yaml.org,2002:python/object"),
        ("a: 1\n---\nb: 1\n", "x.yaml:2: a second document (---): one file is one entity"),
        ("a: 1\nb: [no]\n", "x.yaml:2: b[0]: YAML reads a bare no as true or false"),
        ("a: 12:30\n", "x.yaml:1: a: YAML reads a bare 12:30 as an integer"),
        ("a: 010\n", "x.yaml:1: a: YAML reads a bare 010 as an integer"),
        ("a: .nan\n", "x.yaml:1: a: YAML reads a bare .nan as a number"),
        ("a: " + "9" * 5000 + "\n", "x.yaml:1: a: YAML reads a bare 999"),
        ("a: 1\nb: 'open\n", "x.yaml:3: not YAML: found unexpected end of stream"),
        ("a: 1\n b: 2\n", "x.yaml:2: not YAML: mapping values are not allowed"),
        ("a: 1\n\tb: 2\n", "x.yaml:2: not YAML: found"),
        ("a: 1\nb: \x07\n", "x.yaml:2: not YAML: the character '\\x07'"),
        ("", "x.yaml: the file is empty"),
        ("# nothing\n", "x.yaml: the file is empty"),
    ],
)
def test_what_is_no_plain_yaml_is_refused_with_its_line(
    text: str, mistake: str, loader: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(document, "_Loader", getattr(yaml, loader))
    _, mistakes = read(text)
    assert len(mistakes) == 1
    assert mistakes[0].startswith(mistake)


def test_bytes_that_are_no_utf_8_are_refused_with_their_line() -> None:
    assert read(b"a: 1\nb: caf\xe9\n") == (None, ["x.yaml:2: the file is not UTF-8 text"])


def test_size_and_depth_are_bounded() -> None:
    assert read(b"a: " + b"x" * MAX_BYTES)[1] == ["x.yaml: the file is larger than 1024 KiB"]
    assert read("a: " + "[" * 100_000)[1] == ["x.yaml:1: a" + "[0]" * 12 + ": nested more than 12 levels deep"]


@examples(150)
@given(
    st.text(st.sampled_from("ab:-[]{}&*!|>'\"#,?%@\n \t0.~\x00é"), max_size=40).map(str.encode) | st.binary(max_size=40)
)
def test_any_bytes_give_a_value_or_a_mistake(data: bytes) -> None:
    node, mistakes = read(data)
    assert node is not None or mistakes


@examples(50)
@given(
    st.recursive(
        st.booleans()
        | st.integers(-(10**9), 10**9)
        | st.text(st.characters(codec="utf-8", categories=["L", "N", "Zs"])),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1), inner, max_size=3),
        max_leaves=8,
    )
)
def test_what_yaml_writes_we_read(value: Any) -> None:
    node, mistakes = read(yaml.safe_dump(value, allow_unicode=True))
    assert mistakes == []
    assert node is not None
    assert plain(node) == value
