"""Which folders lie on a network filesystem, by the kernel's own table."""

from __future__ import annotations

from pathlib import Path

from ingester.watch.mount import is_on, network_mounts

TABLE = """\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 22 0:26 / /mnt/with\\040blank rw shared:2 - nfs4 server:/export rw,vers=4.2
31 22 0:27 / /mnt/share rw - cifs //server/share rw
32 22 0:28 / /mnt/sshfs rw master:1 shared:3 - fuse.sshfs host: rw
33 22 0:29 / /mnt/disk rw - fuseblk /dev/sdb1 rw
"""


def test_network_filesystems_are_told_from_others(tmp_path: Path) -> None:
    table = tmp_path / "mountinfo"
    table.write_text(TABLE)
    found = network_mounts(table)
    assert found == {Path("/mnt/with blank"), Path("/mnt/share"), Path("/mnt/sshfs")}
    assert is_on(Path("/mnt/with blank/tenants/acme/inbox"), found)
    assert is_on(Path("/mnt/share"), found)
    assert not is_on(Path("/mnt/disk/acme"), found)
    assert not is_on(Path("/mnt/shared"), found)


def test_a_link_is_followed_and_a_system_without_a_table_has_none(tmp_path: Path) -> None:
    (tmp_path / "inbox").symlink_to("/mnt/share/acme")
    assert is_on(tmp_path / "inbox", frozenset({Path("/mnt/share")}))
    assert network_mounts(tmp_path / "missing") == frozenset()
