"""Who gets in, how often they may try, and what a connection can be used for."""

from __future__ import annotations

import asyncio
import shutil
from typing import Any

import asyncssh
import pytest

from sftp_server import Limits
from sftp_server.startup import Startups


async def refused(site: Any, username: str, **options: Any) -> str:
    with pytest.raises((asyncssh.PermissionDenied, asyncssh.ProtocolError, asyncssh.ConnectionLost)) as caught:
        await site.connect(username, **options)
    await site.until(lambda: site.named("login_failed"))
    return f"{type(caught.value).__name__}: {caught.value}"


async def test_a_wrong_key_and_an_unknown_account_look_the_same(site: Any) -> None:
    wrong = asyncssh.generate_private_key("ssh-ed25519")
    first = await refused(site, "acme", client_keys=[wrong])
    second = await refused(site, "nobody", client_keys=[wrong])
    third = await refused(site, "nobody")
    assert first.replace("acme", "nobody") == second == third
    await site.until(lambda: len(site.named("login_failed")) == 3)
    event = site.named("login_failed")[0]
    assert (event.account, event.reason, event.keys) == ("acme", "no accepted key", (wrong.get_fingerprint(),))
    assert site.keeper.opened == []


async def test_the_seventh_key_is_not_even_looked_at(site: Any) -> None:
    keys = [asyncssh.generate_private_key("ssh-ed25519") for _ in range(6)]
    message = await refused(site, "acme", client_keys=[*keys, str(site.key_path)])
    assert "Too many authentication failures" in message
    assert site.named("login_failed")[0].reason == "too many tries"
    assert site.keeper.opened == []


async def test_the_sixth_key_still_gets_in(site: Any) -> None:
    keys = [asyncssh.generate_private_key("ssh-ed25519") for _ in range(5)]
    await site.connect("acme", client_keys=[*keys, str(site.key_path)])
    assert len(site.named("login")) == 1


async def test_passwords_are_not_offered(site: Any) -> None:
    assert list(await asyncssh.get_server_auth_methods("127.0.0.1", site.port, username="acme")) == ["publickey"]
    await refused(site, "acme", client_keys=None, password="secret")
    assert "secret" not in str(site.events)


@pytest.mark.parametrize("limits", [Limits(login_grace=0.2)])
async def test_a_login_that_takes_too_long_is_cut_off(site: Any) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    banner = await reader.readline()
    assert banner == b"SSH-2.0-sftp_server\r\n"
    async with asyncio.timeout(5):
        await reader.read()
    writer.close()


@pytest.mark.parametrize("limits", [Limits(startups=5)])
async def test_idle_connections_do_not_keep_a_real_login_out(site: Any) -> None:
    idle = [await asyncio.open_connection("127.0.0.1", site.port) for _ in range(20)]
    sftp = await site.sftp()
    assert await sftp.exists("/inbox")
    for _, writer in idle:
        writer.close()


def test_the_busiest_address_makes_room_first() -> None:
    startups = Startups(Limits(startups=4, startups_per_address=3))
    dropped: list[str] = []
    for address, name in [("a", "a1"), ("a", "a2"), ("b", "b1"), ("b", "b2"), ("b", "b3"), ("b", "b4"), ("c", "c1")]:
        startups.enter(address, name, lambda name=name: dropped.append(name))  # type: ignore[misc] # a default binds it
    assert dropped == ["a1", "b1", "b2"]
    assert len(startups) == 4
    startups.leave("c", "c1")
    startups.leave("c", "c1")
    assert len(startups) == 3


@pytest.mark.parametrize("limits", [Limits(channels=2)])
async def test_sessions_on_one_connection_are_limited(site: Any) -> None:
    connection = await site.connect()
    first = await connection.start_sftp_client()
    second = await connection.start_sftp_client()
    with pytest.raises(asyncssh.ChannelOpenError, match="Too many sessions"):
        await connection.start_sftp_client()
    first.exit()
    await first.wait_closed()
    third = await connection.start_sftp_client()
    assert await second.exists("/inbox")
    assert await third.exists("/inbox")


async def test_shells_commands_and_forwarding_are_refused(site: Any) -> None:
    connection = await site.connect()
    for options in ({}, {"command": "id"}, {"command": "scp -t /inbox"}, {"term_type": "xterm"}, {"subsystem": "x"}):
        with pytest.raises(asyncssh.ChannelOpenError):
            await connection.create_process(**options)
    with pytest.raises(asyncssh.ChannelOpenError):
        await connection.open_connection("127.0.0.1", site.port)
    with pytest.raises(asyncssh.ChannelListenError):
        await connection.forward_remote_port("", 0, "127.0.0.1", site.port)
    assert await (await connection.start_sftp_client()).exists("/inbox")
    assert {event.request for event in site.named("refused")} == {"shell", "exec", "subsystem"}


async def test_agents_are_not_forwarded(site: Any) -> None:
    connection = await site.connect(agent_forwarding=True)
    assert await (await connection.start_sftp_client()).exists("/inbox")


async def test_only_modern_algorithms_are_offered(site: Any) -> None:
    for options in (
        {"encryption_algs": ["aes128-cbc"]},
        {"mac_algs": ["hmac-sha1"], "encryption_algs": ["aes128-ctr"]},
        {"kex_algs": ["diffie-hellman-group14-sha1"]},
        {"server_host_key_algs": ["ssh-rsa"]},
        {"compression_algs": ["zlib@openssh.com"]},
    ):
        with pytest.raises(asyncssh.KeyExchangeFailed):
            await site.connect(**options)
    connection = await site.connect(encryption_algs=["aes128-gcm@openssh.com"])
    assert connection.get_extra_info("send_compression") == "none"


@pytest.mark.parametrize("limits", [Limits(idle=0.3)])
async def test_an_idle_session_ends_and_an_active_one_stays(site: Any) -> None:
    idle, active = await site.connect(), await site.sftp()
    for _ in range(8):
        await asyncio.sleep(0.1)
        await active.stat("/inbox")
    assert idle.is_closed()
    await site.until(lambda: site.named("session_closed"))
    assert site.named("session_closed")[0].reason == "Idle for 0.3 seconds"


async def test_the_session_is_logged_from_login_to_end(site: Any) -> None:
    connection = await site.connect()
    (login,) = site.named("login")
    assert (login.account, login.address) == ("acme", "127.0.0.1")
    assert login.keys == (asyncssh.read_public_key(site.key_path.with_suffix(".pub")).get_fingerprint(),)
    connection.close()
    await site.until(lambda: site.keeper.closed)
    assert [event.session for event in site.events] == [site.keeper.opened[0]] * 2


async def test_a_failing_audit_callback_does_not_harm_a_client(site: Any) -> None:
    def fail(event: Any) -> None:
        raise OSError("the log is full")

    site.server._context.audit._on_event = fail
    assert await (await site.sftp()).exists("/inbox")


async def test_an_owner_that_fails_at_login_keeps_everybody_out(site: Any) -> None:
    async def broken(name: str) -> Any:
        raise OSError("the database is gone")

    site.keeper.account = broken
    assert "database" not in await refused(site, "acme")


@pytest.fixture
def ssh_program() -> str:
    program = shutil.which("ssh")
    if program is None:
        pytest.skip("needs the program ssh (Debian package openssh-client)")
    return program


async def test_openssh_is_offered_strict_key_exchange_and_refused_a_command(site: Any, ssh_program: str) -> None:
    process = await asyncio.create_subprocess_exec(
        ssh_program, "-vv", "-p", str(site.port), "-i", str(site.key_path), "-F", "none", "-T",
        "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "acme@127.0.0.1", "id",
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == 255
    text = output.decode()
    assert "exec request failed on channel" in text
    assert "kex-strict-s-v00@openssh.com" in text
    assert "compression: none" in text
