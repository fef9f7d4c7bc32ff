"""Which folders lie on a network filesystem: what other machines do there raises no event here."""

from __future__ import annotations

import re
from pathlib import Path

_MOUNTS = Path("/proc/self/mountinfo")
_NETWORK = re.compile(r"nfs|nfs4|cifs|smb3|smbfs|9p|afs|ceph|lustre|gpfs|beegfs|ocfs2|gfs2|virtiofs|fuse\..+")
_OCTAL = re.compile(r"\\([0-7]{3})")


def network_mounts(table: Path = _MOUNTS) -> frozenset[Path]:
    """The mount points of network filesystems, as the kernel lists them (proc(5), mountinfo)."""
    found = set()
    try:
        lines = table.read_text(errors="surrogateescape").splitlines()
    except OSError:
        return frozenset()
    for line in lines:
        here, _, there = line.partition(" - ")
        if _NETWORK.fullmatch(there.split(" ", 1)[0]):
            found.add(Path(_OCTAL.sub(lambda match: chr(int(match[1], 8)), here.split(" ")[4])))
    return frozenset(found)


def is_on(folder: Path, mounts: frozenset[Path]) -> bool:
    """Whether a folder lies on one of these mounts."""
    if not mounts:
        return False
    real = folder.resolve()
    return not mounts.isdisjoint((real, *real.parents))
