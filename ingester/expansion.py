"""Opening an archive that a worker has claimed: its files become drops of their own, or it goes on as the one it holds.

Files are unpacked into the attempt's workspace, synced, moved to where drops are, and only then recorded, all together
with what the archive's done-markers, checksums and control files say of them. Their ids follow from the archive's:
whoever tries again makes the same ones, and no crash leaves a file twice.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path

import structlog

from ingester import fault, keyring
from ingester.directory import DataDirectory, sync_file, sync_folder
from ingester.domain import companion, notice
from ingester.domain.companion import MARKER_SUFFIXES, CompanionKind, fold
from ingester.domain.errors import UnreadableFile
from ingester.domain.limits import Limits
from ingester.domain.name import is_archive as is_archive_name
from ingester.fileset import FileSets
from ingester.formats.packed import archive
from ingester.formats.packed.archive import Member
from ingester.formats.packed.container import Unpacked, unpack
from ingester.outbox import name as outbox_name
from ingester.queue import Claim
from ingester.routing import Router, companion_of
from ingester.store.database import now
from ingester.store.ledger import Ledger, ShortIdTaken
from ingester.store.ledger_tables import ROUTED, Companion, Drop, Import
from ingester.store.tenant import Tenants

log = structlog.get_logger()

#: Files synced at once: a filesystem writes its journal once for all of them.
_SYNCING = 16


@dataclass(frozen=True, slots=True)
class _Unpacked:
    """One member's bytes in the workspace."""

    member: Member
    path: Path
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class _Beside:
    """A member that says something of others: what kind it is, what it calls its file, and its bytes."""

    member: Member
    kind: CompanionKind
    of: str
    content: bytes = b""

    def is_about(self, found: Sequence[Member]) -> list[Member]:
        """The files in its folder that it accompanies: the one of that very name, else all that it may mean."""
        near = [each for each in found if each.folder == self.member.folder]
        exact = [each for each in near if fold(each.own_name) == fold(self.of)]
        return exact or [each for each in near if companion.accompanies(self.kind, self.of, each.own_name)]


class Expansion:
    """Opens archives."""

    def __init__(
        self,
        ledger: Ledger,
        router: Router,
        directory: DataDirectory,
        limits: Limits,
        marker_suffixes: Sequence[str] = MARKER_SUFFIXES,
    ) -> None:
        self._tenants = Tenants(ledger)
        self._sets = FileSets(ledger, directory)
        self._router = router
        self._directory = directory
        self._limits = limits
        self._marker_suffixes = marker_suffixes

    def concerns(self, claim: Claim) -> bool:
        """Whether a claimed drop has to be looked into: it is an archive, or is called one. What came in one is not."""
        job, drop = claim.job, claim.drop
        return not job.is_member and (job.opens or is_archive_name(drop.name) or archive.is_archive(self._path(drop)))

    def open(
        self,
        claim: Claim,
        workspace: Path,
        holds: Callable[[], bool],
        refuse: Callable[[int], None] = lambda _: None,
    ) -> bool | None:
        """Make imports of an archive's files, or let it go on as the only one; None if there is nothing to be done.

        Checksums and the like in it are no files of its own: one file with such is a set of one. `refuse` is told how
        many files a set would have, and may object. False if the claim is lost. Raises UnreadableFile, also where
        nothing says what it is.
        """
        unpacked = self._unpacked(claim, workspace)
        path = unpacked.path
        members = archive.members(path, self._limits) if archive.is_archive(path) else None
        files, beside = self._parted(claim.job, members or ())
        if members is not None and not files:
            raise UnreadableFile("empty_archive", notice.message("empty_archive"))
        if members is not None and len(members) > 1:
            refuse(len(files))
            return self._expand(claim, unpacked, files, beside, workspace, holds)
        return self._go_on(claim, members) if claim.job.opens else None

    def _parted(self, job: Import, members: Sequence[Member]) -> tuple[list[Member], list[_Beside]]:
        """The files of an archive, and what says something of them, told apart as at any door."""
        feeds = self._tenants.feeds(job.tenant)
        files, beside = list[Member](), list[_Beside]()
        for member in members:
            recognised = companion_of(feeds, member.own_name, member.size, self._marker_suffixes)
            if recognised is None:
                files.append(member)
            else:
                beside.append(_Beside(member, *recognised))
        return files, beside

    def _unpacked(self, claim: Claim, workspace: Path) -> Unpacked:
        job, drop = claim.job, claim.drop
        return unpack(
            self._path(drop),
            drop.name,
            self._limits,
            workspace,
            keys=partial(keyring.for_tenant, self._directory, job.tenant),
            signed=bool((job.reads or {}).get("signed")),
            stop=archive.is_archive,
        )

    def _path(self, drop: Drop) -> Path:
        return self._directory.drop_file(drop.id, drop.location)

    def _go_on(self, claim: Claim, members: Sequence[Member] | None) -> bool:
        """Queue an archive of one file again as that file, or what is none as what it is."""
        job, drop = claim.job, claim.drop
        tenant, feeds = self._tenants.get(job.tenant), list(self._tenants.feeds(job.tenant))
        only = members[0].name if members else drop.name
        route = self._router.route_only_member(tenant, feeds, drop.folder, drop.name, only)
        if route.unroutable is not None:
            raise UnreadableFile(route.unroutable.code, route.unroutable.message)
        on = job.model_copy()
        self._router.apply(route, on, job.created_at)
        return self._sets.go_on_as(on)

    def _expand(
        self,
        claim: Claim,
        opened: Unpacked,
        members: Sequence[Member],
        beside: Sequence[_Beside],
        workspace: Path,
        holds: Callable[[], bool],
    ) -> bool:
        """Make imports of all files of an archive."""
        unpacked, beside = self._unpack(opened.path, members, beside, workspace)
        fault.point("set.unpacked")
        found = self._jobs(claim, unpacked)
        if opened.verified:
            for _, job in found:
                # Whoever signed the archive signed what is in it.
                job.reads = {word: said for word, said in (job.reads or {}).items() if word != "signed"} or None
        if not holds():
            return False  # whoever has it now may have finished these files, and would leave them lying
        for each, (drop, _) in zip(unpacked, found, strict=True):
            each.path.rename(self._directory.root / drop.location)
        for folder in {(self._directory.root / drop.location).parent for drop, _ in found}:
            sync_folder(folder)
        fault.point("set.placed")
        draw = 0
        while True:
            try:
                begun = self._sets.begin(claim.job, found, self._companions(claim, beside, unpacked, found))
                break
            except ShortIdTaken:
                draw += 1
                for (_, job), member in zip(found, members, strict=True):
                    job.id = str(_id(claim.job, "import", member.index, draw))
                    job.short_id = job.id[:8]
        if begun:
            log.info("archive_opened", files=len(found), companions=len(beside))
            self._sets.tell_begun(claim.job)
        return begun

    def _unpack(
        self, path: Path, members: Sequence[Member], beside: Sequence[_Beside], workspace: Path
    ) -> tuple[list[_Unpacked], list[_Beside]]:
        """Files as files, what is beside them with its bytes: it is small."""
        left, unpacked, read = archive.allowance(path.stat().st_size, self._limits), [], []
        for each in beside:
            limits = self._limits.model_copy(update={"unpacked_bytes": left})
            read.append(replace(each, content=b"".join(archive.read(path, each.member, limits))))
            left -= each.member.size
        for member in members:
            limits = self._limits.model_copy(update={"unpacked_bytes": left})
            target, digest = workspace / str(member.index), hashlib.sha256()
            with target.open("wb") as out:
                for block in archive.read(path, member, limits):
                    digest.update(block)
                    out.write(block)
            left -= member.size
            unpacked.append(_Unpacked(member, target, member.size, digest.hexdigest()))
        with ThreadPoolExecutor(_SYNCING) as threads:
            list(threads.map(sync_file, [each.path for each in unpacked]))
        return unpacked, read

    def _jobs(self, claim: Claim, unpacked: Sequence[_Unpacked]) -> list[tuple[Drop, Import]]:
        job, at = claim.job, now()
        tenant, feeds = self._tenants.get(job.tenant), list(self._tenants.feeds(job.tenant))
        found = []
        for each in unpacked:
            member = self._import(job, each.member, at)
            if job.opens:
                name, its_name = claim.drop.name, each.member.name
                route = self._router.route_member(tenant, feeds, claim.drop.folder, name, its_name)
                self._router.apply(route, member, at if route.unroutable is not None else job.created_at)
            found.append((self._drop(claim.drop, member, each), member))
        return found

    def _companions(
        self,
        claim: Claim,
        beside: Sequence[_Beside],
        unpacked: Sequence[_Unpacked],
        found: Sequence[tuple[Drop, Import]],
    ) -> list[Companion]:
        """What is to be recorded of checksums and the like; changes the imports, which wait for what is here no more.

        One whose file is not in the archive waits for it, as at any door.
        """
        jobs = {each.member.index: job for each, (_, job) in zip(unpacked, found, strict=True)}
        recorded = []
        for each in beside:
            about = each.is_about([one.member for one in unpacked])
            for member in about:
                job = jobs[member.index]
                job.accompanied, job.awaits = True, companion.left(job.awaits or (), each.kind)
                # The second `items.csv` of an archive has another name here than its companion knows.
                of = member.name if fold(each.of) == fold(member.own_name) else each.of
                recorded.append(_companion(claim, each, of, f"{each.member.index}/{member.index}", job.id))
            if not about:
                log.warning("companion_alone", file=each.member.name)
                recorded.append(_companion(claim, each, each.of, str(each.member.index)))
        return recorded

    def _import(self, job: Import, member: Member, at: datetime) -> Import:
        its_id = str(_id(job, "import", member.index))
        return Import(
            id=its_id,
            short_id=its_id[:8],
            tenant=job.tenant,
            drop_id=str(_id(job, "drop", member.index)),
            run_id=job.id,
            position=job.place[0],
            approved=list(job.approved),
            due_at=at,
            created_at=job.created_at,
            **{word: getattr(job, word) for word in ROUTED},
        )

    def _drop(self, archived: Drop, member: Import, unpacked: _Unpacked) -> Drop:
        home = self._directory.quarantine if member.status.ended else self._directory.drops
        name = f"{archived.name}.{unpacked.member.name}"
        return Drop(
            id=member.drop_id,
            tenant=archived.tenant,
            origin=archived.origin,
            folder=archived.folder,
            name=name,
            member=unpacked.member.name,
            size=unpacked.size,
            sha256=unpacked.sha256,
            session=archived.session,
            address=archived.address,
            location=self._directory.relative(home / member.drop_id),
            shown=False,
            shown_folder=archived.folder,
            shown_name=outbox_name.listable(name),
            landed_at=archived.landed_at,
        )


def _companion(claim: Claim, beside: _Beside, of: str, place: str, import_id: str | None = None) -> Companion:
    """The ledger's row. The inbox never lists it."""
    drop = claim.drop
    return Companion(
        id=str(_id(claim.job, "companion", place)),
        tenant=drop.tenant,
        origin=drop.origin,
        folder=drop.folder,
        name=beside.member.own_name,
        kind=beside.kind,
        of=fold(of),
        size=beside.member.size,
        sha256=hashlib.sha256(beside.content).hexdigest(),
        content=beside.content,
        shown=False,
        landed_at=now(),
        import_id=import_id,
    )


def _id(job: Import, what: str, index: int | str, draw: int = 0) -> uuid.UUID:
    """What a member's import, its drop, or what it says of others is called by everybody who opens the archive."""
    return uuid.uuid5(uuid.UUID(job.id), f"{what}/{index}/{draw}")
