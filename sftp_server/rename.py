"""Renaming in upload folders: a landed file gets another name, and an unfinished one lands under its final name."""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import UTC, datetime

from asyncssh import SFTPFailure, SFTPFileAlreadyExists, SFTPNoSuchFile

from . import beneath
from .context import Context, Session
from .inbox import Spot
from .landing import land
from .name import check_new
from .owner import Landed
from .upload import OpenUpload


async def rename(context: Context, session: Session, source: Spot, target: Spot, *, replace: bool) -> None:
    """Give a file another name; onto an existing one only with `replace` (posix-rename)."""
    check_new(target.name)
    found = await source.inbox.find(source)
    existing = await target.inbox.find(target)
    if found is None:
        raise SFTPNoSuchFile("No such file")
    if isinstance(found, OpenUpload):
        raise SFTPFailure(f"{source.path} is still being uploaded")
    if existing is not None and not replace:
        raise SFTPFileAlreadyExists(f"{target.path} exists already")
    if source.path == target.path:
        return
    finished = not context.unfinished(target.name)
    if isinstance(found, Landed):
        if not finished:
            raise SFTPFailure(f"{source.path} was received already; it cannot get the name of an unfinished file")
        await _rename_landed(context, session, source, target)
    elif not context.unfinished(source.name):
        raise SFTPFailure(f"{source.path} is about to be picked up and cannot be renamed")
    elif finished:
        await _land_unfinished(context, session, source, target)
    else:
        _move(source, target, replace=replace)
    if finished and isinstance(existing, os.stat_result):
        with suppress(FileNotFoundError):
            target.inbox.unlink(target)
    context.audit(session.event("renamed", path=source.path, new_path=target.path))


async def _rename_landed(context: Context, session: Session, source: Spot, target: Spot) -> None:
    account = session.account.name
    if not await context.owner.rename(account, source.folder, source.name, target.folder, target.name):
        raise SFTPNoSuchFile("No such file")


async def _land_unfinished(context: Context, session: Session, source: Spot, target: Spot) -> None:
    """Land a file from disk. Until the owner has it, it also stays where it is: its client was told it is stored."""
    with beneath.folder(source.inbox.root, source.below) as folder:
        try:
            file = await context.spool.adopt(session.spool_name(), source.name, folder)
        except BlockingIOError:
            raise SFTPFailure(f"{source.path} is being renamed already") from None
        try:
            await land(
                context,
                session,
                file,
                folder=target.folder,
                name=target.name,
                started_at=datetime.now(UTC),
                written_before=True,
            )
            with suppress(FileNotFoundError):
                os.unlink(source.name, dir_fd=folder)
        finally:
            file.discard()


def _move(source: Spot, target: Spot, *, replace: bool) -> None:
    with (
        beneath.folder(source.inbox.root, source.below) as here,
        beneath.folder(target.inbox.root, target.below, make=True) as there,
    ):
        if replace:
            os.rename(source.name, target.name, src_dir_fd=here, dst_dir_fd=there)
        else:
            # Unlike rename, link never replaces a file that appeared since we looked.
            os.link(source.name, target.name, src_dir_fd=here, dst_dir_fd=there, follow_symlinks=False)
            os.unlink(source.name, dir_fd=here)
