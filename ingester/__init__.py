"""File-based data exchange: files land, are validated and imported exactly once, and reports go back.

The map, in the order in which a file meets the parts::

    SFTP ──┐                                ┌ prevalidation ─ preparsing ─ transforming ─ parsing ┐
    S3 ────┼─ intake ─ queue ─ worker ──────┤                                                     ├─ outbox
    folder ┘   (Drop)  (Import) (claim)     └──── validation ─ processing ─ cleanup ──────────────┘

    watch/          what brings files: the SFTP server's owner, the folder watch, the watch on S3 buckets (watch/s3/)
    routing.py      which entity a file is: folder, feed, name
    feed.py         a tenant's feeds as an operator declares them, one or a whole file
    intake.py       the one door: a complete file becomes a durable drop with a queued import
    queue.py        claim, lease, heartbeat, end;  wake.py: nudging sleeping workers;  schedule/: the clocks
    turn.py         which import is next, and why another one waits
    workforce.py    the worker processes;  worker.py: what runs in one
    expectation/    when a feed's drops are due and how large they are;  alert.py: what falls short of it
    consequence.py  what follows when an import ends: such alerts, and notifications
    notify/         telling people and programs, by mail, webhook or chat, from an outbox in the ledger
    decision.py     what people decide about an import
    expansion.py    opening archives, whose files become imports;  fileset.py: such a set, until its last one has ended
    manifest.py     whether a file is what its checksum, control file or trailer says;  orphan.py: those without a file
    repeat.py       whether a drop repeats what was imported last, and is skipped or held for it
    pipeline.py     one import through the seven phases: the whole story on one page
    inspection.py   what a file is, and its table as read, without any rules
    phases/         prevalidation … cleanup, a module each; they meet only through spill/
    spill/          what phases leave for one another: typed rows, notices by row, the verdict on each row
    formats/        bytes to batches of text cells: packed/, text/, rows/, records/, sheets/
    checks/         rules compiled into checks over whole columns
    keyring.py      OpenPGP keys of tenants and of the server, as files
    outbox/         status, error and rejects files, docs, and publishing them
    store/          ledger and entity tables, migrations, merge
    ruleset/        rule files read into frozen values, every mistake reported at once; overlays of tenants, drafts
    domain/         plain values and errors; no I/O
    recovery.py     what a crash left is finished, queued again or removed
    retention/      what is removed when it need not be kept any more, legal holds, the purge of a tenant
    tenancy.py      what a tenant finds when it logs in, and its own rules
    service.py      the composition root, built from settings.py, directory.py and log.py;  role.py: its parts
    supervision.py  readiness, watchdog and sockets, as systemd has them
    monitor/        what a running service measures and says of its health, over HTTP
    doctor/         what is wrong with a site, and how to mend it
    cli/            one module for each group of commands
    fault.py        named places where tests, and only tests, may crash the program
    arrow_alone.py  keeps pandas out of processes that see no frames

Imports point one way, and CI checks it: cli → (service, doctor) → (watch, schedule, workforce, monitor) → worker →
(pipeline, inspection, intake, expansion, decision, recovery, tenancy, retention) → fileset → (phases, routing, feed,
queue, wake) → turn → outbox → spill → consequence → expectation → alert → notify → (store, keyring) → (formats, checks)
→ ruleset → domain.
`sftp_server` imports nothing of this package; only `watch`, `service` and `doctor` import it. Arrow loads under the
worker and the one-shot commands only, boto3 where there are S3 inboxes, so that a listener stays small.
"""
