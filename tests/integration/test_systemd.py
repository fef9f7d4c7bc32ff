"""The shipped units: systemd accepts them, they are hardened, and they are installed as the README says."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
import textwrap
from collections.abc import Iterable
from pathlib import Path

import pytest

from ingester.role import Role, http_port
from ingester.settings import Settings
from tests.confinement import Confinement
from tests.unit_file import FOLDER, PROGRAM, Unit

SERVICES = [Unit(path) for path in sorted(FOLDER.glob("*.service"))]
UNITS = [*SERVICES, *(Unit(path) for kind in ("socket", "target") for path in sorted(FOLDER.glob(f"*.{kind}")))]
ROLES = [unit for unit in SERVICES if unit.name != "ingester.service"]
README = (FOLDER.parent / "README.md").read_text(encoding="utf-8")

pytestmark = pytest.mark.needs("systemd-analyze")

each_service = pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All units in one folder, with the program of this environment: systemd refuses one that does not exist."""
    folder = tmp_path_factory.mktemp("system")
    here = Path(sys.executable).with_name("ingester")
    for unit in UNITS:
        (folder / unit.name).write_text(unit.path.read_text().replace(PROGRAM, str(here)))
    return folder


def run(*command: str | Path, check: bool = True) -> str:
    """Run a command; what it says, on either stream."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
    assert done.returncode == 0 or not check, f"{command}:\n{done.stdout}"
    return done.stdout


def test_systemd_accepts_every_unit_without_a_word(installed: Path) -> None:
    assert run("systemd-analyze", "verify", "--man=no", *(installed / unit.name for unit in UNITS)) == ""


def test_every_unit_exposes_little(installed: Path) -> None:
    # In tenths of systemd's exposure level from 0 to 10; what remains is mostly the network, which it is there for.
    for unit in SERVICES:
        run("systemd-analyze", "security", "--offline=true", "--threshold=15", installed / unit.name)


def test_there_is_a_unit_for_every_role_and_one_for_all_of_them() -> None:
    assert {tuple(unit.arguments) for unit in ROLES} == {("serve", role.value) for role in Role}
    assert {unit.name for unit in ROLES} == {f"ingester-{role}.service" for role in Role}
    (everything,) = (unit for unit in SERVICES if unit not in ROLES)
    assert everything.arguments[0] == "up"


def test_every_unit_starts_a_command_that_exists_with_options_that_it_has() -> None:
    commands = {unit.arguments[0] for unit in SERVICES}
    told = {command: run(Path(sys.executable).with_name("ingester"), command, "--help") for command in commands}
    for unit in SERVICES:
        command, *words = unit.arguments
        assert all(word in told[command] for word in words if word.startswith("--")), unit.name


def hardening(unit: Unit) -> list[tuple[str, str]]:
    """What a unit says from `User=` on, which is what it may do."""
    settings = [(key, value) for section, key, value in unit.settings if section == "Service"]
    return settings[settings.index(("User", "ingester")) :]


@each_service
def test_every_unit_is_hardened_alike_and_supervised_alike(unit: Unit) -> None:
    assert hardening(unit) == hardening(SERVICES[0])
    assert len(hardening(unit)) > 30
    assert unit.one("CapabilityBoundingSet") == unit.one("AmbientCapabilities") == ""
    assert not unit.all("ReadWritePaths"), "the state directory is all that it writes"
    assert (unit.one("Type"), unit.one("NotifyAccess"), unit.one("KillMode")) == ("notify", "main", "mixed")
    assert int(unit.one("WatchdogSec")) >= 30
    # 1 is what the operator has to mend; anything else may pass, and the start limit must not end the trying.
    assert (unit.one("Restart"), unit.one("RestartPreventExitStatus")) == ("on-failure", "1")
    assert unit.one("StartLimitIntervalSec") == "0"


@each_service
def test_a_unit_has_more_time_to_stop_than_its_parts_take(unit: Unit) -> None:
    seconds = {"sftp": 40, "watcher": 60, "scheduler": 30, "worker": 60, "api": 10}
    roles = unit.arguments[1:2] if unit.arguments[0] == "serve" else seconds.keys()
    assert int(unit.one("TimeoutStopSec")) > sum(
        seconds[role] for role in roles if role != "watcher" or len(roles) == 1
    )


def test_only_who_listens_may_open_a_port() -> None:
    # The SFTP server's is opened by systemd.
    assert {unit.name for unit in SERVICES if unit.all("SocketBindDeny") != ["any"]} == {
        "ingester-api.service",
        "ingester.service",
    }
    for unit in SERVICES:
        if unit.all("SocketBindDeny") == ["any"]:
            role = Role(unit.arguments[1])
            assert unit.all("SocketBindAllow") == [f"tcp:{http_port(frozenset({role}))}"], "its metrics"


def test_the_roles_start_and_stop_with_the_target_and_never_beside_everything_in_one() -> None:
    units = {unit.name: unit for unit in UNITS}
    together = {unit.name for unit in [*ROLES, units["ingester-sftp.socket"]]}
    for name in together:
        assert units[name].words("PartOf") == ["ingester.target"]
        assert units[name].words("WantedBy") == ["ingester.target"]
    assert {*units["ingester.service"].words("Conflicts")} == together | {"ingester.target"}
    for name in together | {"ingester.target"}:
        assert "ingester.service" in units[name].words("Conflicts")
        # Ordered, so that the one is gone before the other takes data directory and port.
        assert "ingester.service" in units[name].words("After")


def test_the_sftp_server_gets_the_one_socket_that_outlives_it() -> None:
    units = {unit.name: unit for unit in UNITS}
    server, port = units["ingester-sftp.service"], units["ingester-sftp.socket"]
    assert port.words("ListenStream") == [str(Settings().sftp.port)]
    assert port.one("BindIPv6Only") == "both"
    assert not port.all("Accept")
    assert server.words("Requires") == [port.name]
    assert port.name in server.words("After")


def test_a_service_may_do_no_more_than_its_unit_says(tmp_path: Path) -> None:
    """What the other tests are confined by does confine: here a process finds each thing forbidden."""
    tries = textwrap.dedent("""
        import ctypes, mmap, os, resource, socket
        def refused(action):
            try:
                action()
            except OSError:
                return True
        assert refused(lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC))
        assert refused(lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW))
        assert refused(lambda: os.chown("/tmp", 0, 0))
        assert refused(lambda: os.sched_setaffinity(0, {0}))
        assert refused(lambda: open("setuid", "w").close() or os.chmod("setuid", 0o4755))
        assert ctypes.CDLL(None).unshare(0x10000000) == -1
        assert os.umask(0) == 0o027
        assert max(resource.getrlimit(resource.RLIMIT_NOFILE)) <= 16384
        status = open("/proc/self/status").read()
        assert "CapBnd:\\t0000000000000002" in status or os.getuid(), status
        assert "NoNewPrivs:\\t1" in status
        socket.socket(socket.AF_INET6).close()
        mmap.mmap(-1, 4096).close()
    """)
    confinement = Confinement(next(unit for unit in SERVICES if unit.name == "ingester-worker.service"))
    done = subprocess.run(
        [sys.executable, "-ISc", tries],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        preexec_fn=confinement.enter,
    )
    assert done.returncode == 0, done.stderr


# --- account, folders, settings --------------------------------------------------------------------------------------


def lines(name: str) -> list[list[str]]:
    """The fields of every line that is no comment; one in quotes is one."""
    text = (FOLDER / name).read_text(encoding="utf-8")
    found = [re.findall(r'"[^"]*"|\S+', line) for line in text.splitlines() if line and not line.startswith("#")]
    assert found
    return found


def test_the_account_is_a_locked_one_that_every_unit_runs_as() -> None:
    (fields,) = lines("ingester.sysusers")
    kind, name, number, _comment, home, shell = fields
    assert (kind, number, home, shell) == ("u", "-", "/var/lib/ingester", "/usr/sbin/nologin")
    assert all(unit.one("User") == unit.one("Group") == name for unit in SERVICES)


def test_the_folders_are_closed_to_others() -> None:
    found = {path: (kind, mode, user, group, age) for kind, path, mode, user, group, age in lines("ingester.tmpfiles")}
    assert found == {
        "/var/lib/ingester": ("d", "0750", "ingester", "ingester", "-"),
        "/etc/ingester": ("d", "0750", "root", "ingester", "-"),
        "/etc/ingester/ingester.env": ("z", "0640", "root", "ingester", "-"),
    }
    for unit in SERVICES:
        assert (unit.one("StateDirectory"), unit.one("StateDirectoryMode")) == ("ingester", "0750")
        assert unit.one("EnvironmentFile") == "-/etc/ingester/ingester.env"
        assert "INGESTER_DATA_DIR=/var/lib/ingester" in unit.words("Environment")


def known(variables: Iterable[str]) -> None:
    """Assert that settings have these variables."""
    for variable in variables:
        assert variable.startswith("INGESTER_")
        group, _, name = variable.removeprefix("INGESTER_").lower().partition("__")
        assert group in Settings.model_fields, variable
        if name:
            assert name in type(getattr(Settings(), group)).model_fields, variable


def test_the_settings_file_names_settings_that_exist_and_sets_none() -> None:
    written = (FOLDER / "ingester.env").read_text(encoding="utf-8").splitlines()
    assert all(not line or line.startswith("#") for line in written)
    offered = [line[1:].partition("=")[0] for line in written if re.match(r"#INGESTER_\w+=", line)]
    assert "INGESTER_DATABASE_URL" in offered
    known(offered)
    for unit in SERVICES:
        known(pair.partition("=")[0] for pair in unit.words("Environment"))
        known(credential.upper() for credential in unit.words("LoadCredential"))


# --- installation ----------------------------------------------------------------------------------------------------


def installation() -> list[str]:
    """The commands of the README's section about systemd."""
    section = README.partition("## Under systemd")[2].partition("\n## ")[0]
    return [line for block in re.findall(r"```\n(.*?)```", section, re.DOTALL) for line in block.splitlines()]


def test_the_readme_names_every_unit() -> None:
    section = README.partition("## Under systemd")[2].partition("\n## ")[0]
    assert {unit.name for unit in UNITS} <= {*re.findall(r"`([\w-]+\.(?:service|socket|target))`", section)}


def test_what_the_readme_installs_and_enables_exists() -> None:
    commands = installation()
    enabled = [word for line in commands if "systemctl enable" in line for word in line.partition("--now ")[2].split()]
    words = {word for entry in enabled for word in _braces(entry)}
    names = {unit.name for unit in UNITS}
    assert words
    assert {word if "." in word else f"{word}.service" for word in words} <= names
    assert any(line.startswith("cd /opt/ingester/share/ingester/systemd") for line in commands)


@pytest.mark.skipif(os.geteuid() != 0, reason="gives files to other accounts")
def test_the_readme_s_commands_install_the_shipped_files(tmp_path: Path) -> None:
    """Run as they stand, but below another root, where systemd's own programs make account and folders."""
    for folder in ("etc/systemd/system", "etc/sysusers.d", "etc/tmpfiles.d", "var/lib"):
        (tmp_path / folder).mkdir(parents=True)
    local = [line for line in installation() if line.startswith(("install ", "systemd-sysusers ", "systemd-tmpfiles "))]
    assert len(local) == 6
    for line in local:
        below = line.replace(" /etc/", f" {tmp_path}/etc/").replace("-g ingester", "-g root")
        below = re.sub(r"^(systemd-\w+)", rf"\1 --root={tmp_path}", below)
        done = subprocess.run(["bash", "-euc", below], cwd=FOLDER, capture_output=True, text=True)
        assert done.returncode == 0, f"{below}\n{done.stderr}"
    assert {path.name for path in (tmp_path / "etc/systemd/system").iterdir()} == {unit.name for unit in UNITS}
    account = (tmp_path / "etc/passwd").read_text().split("ingester:", 1)[1].splitlines()[0].split(":")
    assert account[-2:] == ["/var/lib/ingester", "/usr/sbin/nologin"]
    for path, mode, user in (
        ("var/lib/ingester", 0o750, account[1]),
        ("etc/ingester", 0o750, "0"),
        ("etc/ingester/ingester.env", 0o640, "0"),
    ):
        found = (tmp_path / path).stat()
        assert (stat.S_IMODE(found.st_mode), str(found.st_uid)) == (mode, user), path


def _braces(word: str) -> list[str]:
    """What a shell makes of `a-{b,c}`."""
    found = re.fullmatch(r"(.*)\{(.*)\}(.*)", word)
    return [f"{found[1]}{middle}{found[3]}" for middle in found[2].split(",")] if found else [word]
