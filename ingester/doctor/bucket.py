"""Checks of S3 inboxes: whether each can be used as it says, by trying it."""

from __future__ import annotations

from collections.abc import Iterator

from ingester.doctor.finding import Finding, ok, warning, wrong
from ingester.doctor.subject import Subject
from ingester.store.s3_inbox import S3Inboxes
from ingester.watch.s3.reach import reach


def s3_inboxes(subject: Subject) -> Iterator[Finding]:
    """Whether every bucket can be reached, and whether the service could."""
    if subject.ledger is None:
        return
    for inbox in S3Inboxes(subject.ledger).all():
        name = f"{inbox.name} of {inbox.tenant} (bucket {inbox.bucket})"
        failed = [found for found in reach(inbox) if not found.ok]
        for found in failed:
            yield wrong(f"{name}: cannot {found.step}: {found.said}", found.fix)
        if not failed and inbox.trouble is not None:
            yield warning(
                f"{name} can be reached from here, but the service said: {inbox.trouble}",
                "Give the service the same credentials and network as this command has.",
            )
        elif not failed:
            yield ok(f"{name} can be reached")
