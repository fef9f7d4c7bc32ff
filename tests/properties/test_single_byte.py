"""Text of one byte a character becomes the UTF-8 that Python's own codecs make of it, few such bytes or many."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from ingester.formats.text.single_byte import has_single_bytes, single_bytes_as_utf8
from tests.examples import examples

ASCII = st.binary(min_size=200, max_size=600).map(lambda raw: bytes(byte & 0x7F for byte in raw))


@given(
    codec=st.sampled_from(
        ["cp1252", "cp1250", "cp1251", "iso8859-1", "iso8859-15", "koi8-r", "mac-roman", "cp437", "cp850"]
    ),
    texts=st.lists(ASCII, min_size=1, max_size=6),
    between=st.binary(max_size=5),
)
@examples(300)
def test_text_becomes_what_the_codec_makes_of_it(codec: str, texts: list[bytes], between: bytes) -> None:
    raw = between.join(texts)
    assert _outcome(lambda: bytes(single_bytes_as_utf8(raw, codec))) == _outcome(lambda: raw.decode(codec).encode())


def test_an_encoding_with_another_percent_sign_is_not_taken_for_ascii() -> None:
    assert has_single_bytes("cp862")
    assert not has_single_bytes("cp864")


def _outcome(convert: Callable[[], bytes]) -> bytes | int:
    """The text, or the place of the first byte that is none."""
    try:
        return convert()
    except UnicodeDecodeError as error:
        return error.start
