"""The list of checks, and running them: one that fails is itself a finding."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import structlog

from ingester.doctor import bucket, disk, folder, key, machine, pgp, queue, rule, service, stored
from ingester.doctor.finding import Finding, wrong
from ingester.doctor.subject import Subject, reason

log = structlog.get_logger()

Check = Callable[[Subject], Iterable[Finding]]

#: Every check, in the order in which they are told. One more is one more line.
CHECKS: tuple[Check, ...] = (
    folder.data_directory,
    folder.owner,
    folder.one_filesystem,
    folder.secrets,
    key.host_keys,
    pgp.pgp_keys,
    disk.free_space,
    disk.free_inodes,
    disk.quarantine,
    disk.leftovers,
    stored.databases,
    stored.schemas,
    stored.journals,
    stored.network_filesystem,
    rule.shipped_and_added,
    rule.tenants_own,
    rule.feeds,
    key.tenants_without_keys,
    machine.clock,
    machine.database_clock,
    machine.open_files,
    machine.inotify,
    service.running,
    service.roles,
    service.sftp,
    service.health,
    queue.queue,
    queue.pauses,
    queue.holds,
    queue.alerts,
    bucket.s3_inboxes,
)


def examine(subject: Subject, checks: Sequence[Check] = CHECKS) -> Iterator[tuple[str, Finding]]:
    """Run every check: (its name, what it found)."""
    for check in checks:
        try:
            findings = list(check(subject))
        except Exception as error:
            # Whatever a sick site does to a check, the others go on.
            log.debug("check_failed", check=check.__name__, exc_info=True)
            findings = [wrong(f"this check failed: {reason(error)}", _BROKEN)]
        for finding in findings:
            yield check.__name__, finding


_BROKEN = (
    "Mend what the other checks found and look again; `INGESTER_LOG_LEVEL=DEBUG ingester doctor` shows the details."
)
