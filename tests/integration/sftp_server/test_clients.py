"""The clients customers use: OpenSSH's sftp, paramiko and asyncssh, doing what they do by default."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from typing import Any

import asyncssh
import paramiko


async def with_paramiko(site: Any, work: Callable[[paramiko.SFTPClient], Any]) -> Any:
    def run() -> Any:
        with paramiko.Transport(("127.0.0.1", site.port)) as transport:
            transport.connect(username="acme", pkey=paramiko.Ed25519Key.from_private_key_file(str(site.key_path)))
            sftp = paramiko.SFTPClient.from_transport(transport)
            assert sftp is not None
            with sftp:
                return work(sftp)

    return await asyncio.to_thread(run)


async def test_paramiko_puts_with_its_confirmation(site: Any) -> None:
    source = site.root / "source.csv"
    source.write_bytes(b"x" * 500_000)

    def work(sftp: paramiko.SFTPClient) -> None:
        assert sftp.put(str(source), "/inbox/a.csv").st_size == 500_000
        sftp.utime("/inbox/a.csv", (1, 1))
        assert "a.csv" in sftp.listdir("/inbox")
        assert [entry.longname.split()[0] for entry in sftp.listdir_attr("/")] == [
            "drwxr-xr-x",
            "drwxr-xr-x",
            "dr-xr-xr-x",
        ]
        sftp.get("/inbox/a.csv", str(site.root / "back.csv"))
        sftp.chdir("/inbox")
        assert sftp.getcwd() == "/inbox"

    await with_paramiko(site, work)
    assert site.keeper.names == ["inbox/a.csv"]
    assert (site.root / "back.csv").read_bytes() == source.read_bytes()


async def test_paramiko_writes_pipelined_and_renames(site: Any) -> None:
    data = b"0123456789" * 100_000

    def work(sftp: paramiko.SFTPClient) -> None:
        with sftp.open("/inbox/a.csv.tmp", "wb") as file:
            file.set_pipelined(True)
            file.write(data)
        sftp.posix_rename("/inbox/a.csv.tmp", "/inbox/a.csv")
        sftp.remove("/inbox/a.csv")

    await with_paramiko(site, work)
    assert site.named("landed")[0].sha256 == hashlib.sha256(data).hexdigest()
    assert site.keeper.drops == []


async def test_paramiko_dropping_its_transport_does_not_land(site: Any) -> None:
    def work() -> None:
        transport = paramiko.Transport(("127.0.0.1", site.port))
        transport.connect(username="acme", pkey=paramiko.Ed25519Key.from_private_key_file(str(site.key_path)))
        sftp = paramiko.SFTPClient.from_transport(transport)
        assert sftp is not None
        file = sftp.open("/inbox/a.csv", "wb")
        file.write(b"half")
        file.flush()
        transport.close()

    await asyncio.to_thread(work)
    await site.until(lambda: site.named("session_closed"))
    assert site.keeper.drops == []


async def test_openssh_puts_lists_renames_gets_and_deletes(site: Any, run_sftp: Any) -> None:
    source = site.root / "a b.csv"
    source.write_bytes(b"x" * 300_000)
    (site.outbox / "report.csv").write_bytes(b"report")
    code, output = await run_sftp(
        f'put -p "{source}" /inbox/a.csv',
        "ls -la /inbox",
        "cd inbox/customer",
        f'put -f "{source}" "a b.csv"',
        'rename "a b.csv" b.csv',
        "rm b.csv",
        f"get /outbox/report.csv {site.root}/report.csv",
        "rm /outbox/report.csv",
        "pwd",
        "ls -l /",
    )
    assert code == 0, output
    assert site.keeper.names == ["inbox/a.csv"]
    assert (site.root / "report.csv").read_bytes() == b"report"
    assert "300000" in output
    assert "Remote working directory: /inbox/customer" in output
    assert str(site.root / "tenant") not in output


async def test_openssh_puts_a_folder_of_files(site: Any, run_sftp: Any) -> None:
    folder = site.root / "customer"
    folder.mkdir()
    for number in range(50):
        (folder / f"{number}.csv").write_bytes(b"x" * number)
    code, output = await run_sftp("cd inbox", f"put -r {folder}")
    assert code == 0, output
    assert sorted(upload.size for upload, _ in site.keeper.drops) == list(range(50))
    assert {upload.folder for upload, _ in site.keeper.drops} == {"inbox/customer"}


async def test_openssh_reports_a_refused_landing_as_a_failure(site: Any, run_sftp: Any) -> None:
    site.keeper.refusal = "No feed wants it"
    source = site.root / "a.csv"
    source.write_bytes(b"x")
    code, output = await run_sftp(f"put {source} /inbox/a.csv")
    assert code == 1, output
    code, output = await run_sftp(f"put {source} /outbox/a.csv")
    assert code == 1
    assert "ermission denied" in output


async def test_asyncssh_copies_both_ways(site: Any) -> None:
    source = site.root / "source.csv"
    source.write_bytes(b"y" * 3_000_000)
    sftp = await site.sftp()
    await sftp.put(str(source), "/inbox/a.csv", preserve=True)
    await sftp.get("/inbox/a.csv", str(site.root / "back.csv"))
    assert (site.root / "back.csv").read_bytes() == source.read_bytes()
    assert site.keeper.drops[0][0].sha256 == hashlib.sha256(source.read_bytes()).hexdigest()


async def test_a_client_that_takes_the_server_s_limits_can_use_them_all(site: Any) -> None:
    sftp = await site.sftp()
    limits = sftp.limits
    assert isinstance(limits, asyncssh.SFTPLimits)
    assert (limits.max_read_len, limits.max_write_len) == (255 << 10, 255 << 10)
    async with sftp.open("/inbox/a.csv", "wb", block_size=limits.max_write_len) as file:
        await file.write(b"z" * 1_000_000)
    assert site.keeper.drops[0][0].size == 1_000_000
