"""Handing a complete spool file over to the owner, and telling the client in its words how that went."""

from __future__ import annotations

from datetime import datetime

from asyncssh import SFTPFailure

from .context import Context, Session
from .event import log, seconds_since
from .owner import LandingRefused, Upload
from .spool import SpoolFile


async def land(
    context: Context,
    session: Session,
    file: SpoolFile,
    *,
    folder: str,
    name: str,
    started_at: datetime,
    written_before: bool = False,
) -> None:
    """Return when the owner has the file; otherwise raise `SFTPFailure`, and the file is still the caller's.

    `written_before`: under an unfinished name, and its bytes were reported then.
    """
    sha256 = await file.sha256()
    upload = Upload(
        account=session.account.name,
        folder=folder,
        name=name,
        path=file.path,
        size=file.size,
        sha256=sha256,
        session=session.id,
        address=session.address,
        started_at=started_at,
    )
    path = f"/{folder}/{name}"
    try:
        await context.owner.land(upload)
    except LandingRefused as refusal:
        raise SFTPFailure(str(refusal)) from refusal
    except Exception as error:
        log.exception("Landing %s of %s failed", path, session.account.name)
        raise SFTPFailure("The server could not store the file; it was not received") from error
    seconds = None if written_before else seconds_since(started_at)
    context.audit(session.event("landed", path=path, size=upload.size, sha256=sha256, seconds=seconds))
