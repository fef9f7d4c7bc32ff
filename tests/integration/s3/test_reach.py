"""Where credentials come from, and what an operator is told about a bucket that cannot be used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ingester.store.database import now
from ingester.store.ledger_tables import S3Inbox
from ingester.watch.s3.reach import Finding, reach
from tests.proxy import Asked, Proxy
from tests.s3 import KEY_VARIABLE, SECRET_VARIABLE, Bucket


@pytest.fixture(autouse=True)
def _no_other_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))


@pytest.fixture
def credentials(tmp_path: Path) -> str:
    path = tmp_path / "credentials"
    path.write_text(
        "[default]\naws_access_key_id = a\naws_secret_access_key = b\n"
        "[acme]\naws_access_key_id = c\naws_secret_access_key = d\n"
    )
    return str(path)


def tried(bucket: Bucket, proxy: Proxy, **words: Any) -> dict[str, Finding]:
    given = {"prefix": "in/", "bucket": bucket.name, "endpoint_url": proxy.url, "addressing": "path", **words}
    return {each.step: each for each in reach(S3Inbox(tenant="acme", name="main", created_at=now(), **given))}


def key_of(asked: Asked) -> str:
    """The access key's id, as every request names it."""
    return asked.headers["Authorization"].partition("Credential=")[2].partition("/")[0]


OWN = {"access_key_variable": KEY_VARIABLE, "secret_key_variable": SECRET_VARIABLE}


def test_credentials_come_from_variables_a_file_a_profile_or_the_usual_chain(
    bucket: Bucket, proxy: Proxy, credentials: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert tried(bucket, proxy, **OWN)["list"].ok
    assert tried(bucket, proxy, credentials_file=credentials)["list"].ok
    assert tried(bucket, proxy, credentials_file=credentials, profile="acme")["list"].ok
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "e")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "f")
    assert tried(bucket, proxy)["list"].ok
    assert [key_of(asked) for asked in proxy.of("GET", "list-type")] == ["testing", "a", "c", "e"]


def test_credentials_that_are_not_where_they_should_be_are_told(
    bucket: Bucket, proxy: Proxy, credentials: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "Unable to locate credentials" in tried(bucket, proxy)["list"].said
    assert "(nobody) could not be found" in tried(bucket, proxy, profile="nobody")["credentials"].said
    assert "cannot be read" in tried(bucket, proxy, credentials_file="/none")["credentials"].said
    monkeypatch.delenv(SECRET_VARIABLE)
    found = tried(bucket, proxy, **OWN)["credentials"]
    assert (found.ok, f"{SECRET_VARIABLE} is not set" in found.said) == (False, True)


def test_every_right_that_is_missing_is_told_with_its_remedy(bucket: Bucket, proxy: Proxy) -> None:
    bucket.put("in/items.csv", "x")
    proxy.break_next(lambda asked: asked.method in ("HEAD", "PUT"), status=403, times=100)
    words = {"outbox_prefix": "out/", "sqs_queue_url": f"{proxy.url}/123456789012/none"}
    found = tried(bucket, proxy, **OWN, **words)
    assert {step: each.ok for step, each in found.items()} == {
        "list": True,
        "read": False,
        "write outbox": False,
        "queue": False,
    }
    assert all(each.fix for each in found.values() if not each.ok)
    assert "s3:PutObject" in found["write outbox"].fix
