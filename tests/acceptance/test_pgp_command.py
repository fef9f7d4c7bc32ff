"""OpenPGP keys as an operator keeps them: made, shown, added, listed, removed, and what then reads a tenant's files."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pysequoia
import pytest

from ingester import keyring
from ingester.directory import DataDirectory
from ingester.domain.errors import UnreadableFile
from ingester.formats.packed import pgp
from tests.openpgp import Person
from tests.service import Service

pytestmark = pytest.mark.needs("gpg")

DATA = b"id,name\n1,x\n"


@pytest.fixture(scope="module")
def customer() -> Iterator[Person]:
    with Person("customer") as person:
        yield person


@pytest.fixture
def site(launch: Callable[..., Service]) -> Service:
    """A data directory with a tenant and nothing running."""
    service = launch()
    service.run("tenant", "add", "acme")
    return service


def listed(site: Service, owner: str = "acme") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(site.run("tenant", "pgp", owner, "list", "--json").stdout)
    return found


def read(site: Service, message: bytes, tmp_path: Path, *, tenant: str = "acme", signed: bool = False) -> bytes:
    keys = keyring.for_tenant(DataDirectory(site.data_dir), tenant)
    (tmp_path / "message").write_bytes(message)
    pgp.decrypt(tmp_path / "message", tmp_path / "plain", keys, limit_bytes=1 << 20, signed=signed)
    return (tmp_path / "plain").read_bytes()


def sealed(site: Service, *, tenant: str = "acme") -> bytes:
    shown = site.run("tenant", "pgp", tenant, "show").stdout
    return pysequoia.encrypt(DATA, [pysequoia.Cert.from_bytes(shown.encode())])


def test_what_is_encrypted_for_the_key_that_is_shown_is_read(site: Service, tmp_path: Path) -> None:
    site.run("tenant", "pgp", "acme", "make")
    assert read(site, sealed(site), tmp_path) == DATA
    (key,) = listed(site)
    assert (key["kind"], key["state"], key["expires_at"]) == ("own", "valid", None)
    assert site.run("tenant", "pgp", "acme", "show", "--fingerprint").stdout.strip() == key["fingerprint"]


def test_a_second_key_is_made_only_when_asked_for_and_the_first_goes_on_reading(site: Service, tmp_path: Path) -> None:
    site.run("tenant", "pgp", "acme", "make")
    before = sealed(site)
    refused = site.run("tenant", "pgp", "acme", "make", check=False)
    assert "--rotate" in refused.stderr
    site.run("tenant", "pgp", "acme", "make", "--rotate")
    assert len(listed(site)) == 2
    assert read(site, before, tmp_path) == DATA
    assert read(site, sealed(site), tmp_path) == DATA


def test_the_servers_key_is_for_tenants_without_one(site: Service, tmp_path: Path) -> None:
    assert "has no key" in site.run("tenant", "pgp", "acme", "show", check=False).stderr
    site.run("tenant", "pgp", "*", "make")
    message = sealed(site)
    assert read(site, message, tmp_path) == DATA
    site.run("tenant", "pgp", "acme", "make")
    with pytest.raises(UnreadableFile) as caught:
        read(site, message, tmp_path)
    assert caught.value.code == "no_key"


def test_signatures_count_from_when_their_certificate_is_added_until_it_is_removed(
    site: Service, tmp_path: Path, customer: Person
) -> None:
    (tmp_path / "customer.asc").write_text(customer.public)
    message = customer.writes(DATA, "--sign")
    for known in (False, True, False):
        if known:
            site.run("tenant", "pgp", "acme", "add", str(tmp_path / "customer.asc"))
            assert [key["kind"] for key in listed(site)] == ["sender"]
            assert read(site, message, tmp_path, signed=True) == DATA
            site.run("tenant", "pgp", "acme", "remove", customer.key.fingerprint.lower())
            continue
        with pytest.raises(UnreadableFile) as caught:
            read(site, message, tmp_path, signed=True)
        assert caught.value.code == "unknown_signer"


def test_a_certificate_of_no_use_is_refused_with_a_reason(site: Service, tmp_path: Path, customer: Person) -> None:
    key = pysequoia.Tsk.generate("them <them@example.com>", validity_seconds=1)
    expired = key.extract_certificate()
    whole = pysequoia.Tsk.generate("us")
    public = whole.extract_certificate()
    for content, said in (
        (customer.secret.encode(), "secret key"),
        (bytes(expired), "expired on"),
        (bytes(public) + bytes(public.revoke(whole.certifier())), "was revoked"),
        (b"ssh-ed25519 AAAA", "no OpenPGP key"),
        (customer.public.encode() * 2 + str(public).encode(), "several keys"),
    ):
        (tmp_path / "file.asc").write_bytes(content)
        assert said in site.run("tenant", "pgp", "acme", "add", str(tmp_path / "file.asc"), check=False).stderr
    assert "no senders" in site.run("tenant", "pgp", "*", "add", str(tmp_path / "file.asc"), check=False).stderr
    assert listed(site) == []


def test_a_certificate_that_was_renewed_takes_the_place_of_the_old_one(site: Service, tmp_path: Path) -> None:
    key = pysequoia.Tsk.generate("them <them@example.com>", validity_seconds=10 * 86400)
    old = key.extract_certificate()
    assert old.expiration is not None
    for certificate in (old, old.set_expiration(old.expiration.replace(year=2090), key.certifier()), old):
        (tmp_path / "theirs.asc").write_text(str(certificate))
        site.run("tenant", "pgp", "acme", "add", str(tmp_path / "theirs.asc"))
    (known,) = listed(site)
    assert known["expires_at"].startswith("2090")


def test_keys_are_for_their_owner_alone_and_a_purge_takes_them(site: Service) -> None:
    site.run("tenant", "pgp", "acme", "make")
    folder = DataDirectory(site.data_dir).pgp("acme")
    for path in (folder.parent.parent, folder.parent, folder, *folder.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)
    site.run("tenant", "purge", "acme", "--yes")
    assert not folder.exists()


def test_nobody_has_a_key_who_is_no_tenant(site: Service) -> None:
    assert "no tenant" in site.run("tenant", "pgp", "nobody", "make", check=False).stderr
