"""Secrets: read where they are kept, shown nowhere."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from ingester.domain.errors import TransientError
from ingester.notify import secret


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("mailto:ops@example.com", "mailto:ops@example.com"),
        ("env:OPS_SLACK", "env:OPS_SLACK"),
        ("file:/etc/ingester/slack.url", "file:/etc/ingester/slack.url"),
        ("https://example.com", "https://example.com"),
        ("https://example.com:8443/hook/s3cret?key=s3cret#s3cret", "https://example.com:8443/***"),
        ("https://user:s3cret@example.com/", "https://example.com"),
        ("slack://s3cret/s3cret/s3cret", "slack://***"),
        ("s3cret", "***"),
    ],
)
def test_an_address_is_shown_without_what_is_secret_in_it(address: str, shown: str) -> None:
    assert secret.masked(address) == shown


def test_a_secret_is_read_from_the_environment_a_file_or_where_it_was_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOK_KEY", " s3cret\n")
    (tmp_path / "key").write_text("another\n")
    made = secret.keep(tmp_path / "secrets", "webhook-1")
    assert secret.read("env:HOOK_KEY", tmp_path) == "s3cret"
    assert secret.read(f"file:{tmp_path / 'key'}", tmp_path) == "another"
    assert secret.read("kept:webhook-1", tmp_path / "secrets") == made
    assert len(base64.b64decode(made.removeprefix("whsec_"))) == 32
    assert (tmp_path / "secrets" / "webhook-1").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700


def test_a_secret_that_is_not_there_yet_is_asked_for_again(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    for reference in ("env:INGESTER_NO_SUCH", "file:/no/such", f"file:{tmp_path}/empty", f"file:{tmp_path}/binary"):
        with pytest.raises(TransientError, match=reference):
            secret.read(reference, tmp_path)


def test_a_key_is_its_base64_or_itself() -> None:
    assert secret.key("whsec_" + base64.b64encode(b"\x00key").decode()) == b"\x00key"
    assert secret.key("plain") == b"plain"
    with pytest.raises(TransientError):
        secret.key("whsec_!")
