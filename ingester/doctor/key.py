"""Checks of keys: the server's own, and those that let tenants in."""

from __future__ import annotations

from collections.abc import Iterator

from ingester.doctor.finding import Finding, ok, warning, wrong
from ingester.doctor.subject import Subject
from ingester.store.tenant import Tenants
from sftp_server import HostKeyError, read_host_keys

_RSA_BITS = 3072


def host_keys(subject: Subject) -> Iterator[Finding]:
    """Whether the host keys are there, private, readable and strong."""
    folder = subject.directory.host_keys
    if not subject.exists:
        return
    try:
        keys = read_host_keys(folder)
    except HostKeyError as error:
        said, _, fix = str(error).rpartition("; ")
        yield wrong(said, f"{fix[:1].upper()}{fix[1:]}.")
        return
    if not keys:
        yield warning(f"there are no host keys in {folder}", "`ingester up` makes them at its first start.")
    for each in keys:
        weak = each.algorithm == "ssh-dss" or (each.algorithm == "ssh-rsa" and each.bits < _RSA_BITS)
        if weak:
            yield warning(
                f"the host key {each.path.name} is weak: {each.algorithm} with {each.bits} bits",
                f"Delete {each.path}, start the service, and tell your customers the new fingerprint.",
            )
        else:
            yield ok(f"{each.algorithm} {each.fingerprint}")


def tenants_without_keys(subject: Subject) -> Iterator[Finding]:
    """Whether every tenant can log in."""
    if subject.ledger is None:
        return
    tenants = Tenants(subject.ledger)
    found = [tenant.name for tenant in tenants.all()]
    locked_out = [name for name in found if not tenants.keys(name)]
    if locked_out:
        others = f" and {len(locked_out) - 1} more" if len(locked_out) > 1 else ""
        yield warning(
            f"tenant {locked_out[0]}{others} cannot log in: no key",
            f"`ingester tenant key {locked_out[0]} add FILE.pub`; nothing, if it only uses folders.",
        )
    else:
        yield ok(f"each of {len(found)} tenants has a key")
