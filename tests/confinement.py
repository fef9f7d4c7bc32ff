"""What a unit forbids its service, forbidden by the kernel without systemd: system calls, sockets, capabilities.

Only what needs no namespaces, so that it works in a container: folders, devices and users are not confined. The filters
are those that systemd.exec(5) describes, made with the libseccomp that systemd itself uses.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import resource
import socket
import subprocess
from functools import cache

from tests.unit_file import Unit

_ALLOW = 0x7FFF0000
_MASKED_EQUAL, _EQUAL = 7, 4
_CAPABILITY_DROP, _CAPABILITIES = 24, 64
# Root may go on entering every folder: that of the tests' PostgreSQL belongs to another account.
_KEPT_CAPABILITY = 1
_SHM_EXEC = 0o100000
_SET_ID = (0o4000, 0o2000)
_NAMESPACES = (0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000)
_FAMILIES = range(46)

#: Which argument of which system call is a mode, or has the flags of namespaces.
_MODES = {"chmod": 1, "fchmod": 1, "fchmodat": 2, "mknod": 1, "mknodat": 2}
_FLAGS = {"clone": 0, "unshare": 0, "setns": 1}


class _Comparison(ctypes.Structure):
    _fields_ = [("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64)]


class Confinement:
    """Made by whoever starts the service; `enter` is for the child, after the fork."""

    def __init__(self, unit: Unit) -> None:
        self._mask = int(unit.one("UMask"), 8)
        self._files = int(unit.one("LimitNOFILE"))
        assert unit.one("CapabilityBoundingSet") == ""
        calls = _Filter(otherwise=_refuse(errno.EPERM))
        for name in _allowed(unit):
            calls.add(name, _ALLOW)
        details = _Filter(otherwise=_ALLOW)
        if unit.one("MemoryDenyWriteExecute") == "yes":
            both = mmap.PROT_WRITE | mmap.PROT_EXEC
            for name, bits in (("mmap", both), ("mprotect", mmap.PROT_EXEC), ("pkey_mprotect", mmap.PROT_EXEC)):
                details.add(name, _refuse(errno.EPERM), 2, _MASKED_EQUAL, bits, bits)
            details.add("shmat", _refuse(errno.EPERM), 2, _MASKED_EQUAL, _SHM_EXEC, _SHM_EXEC)
        families = {getattr(socket, family).value for family in unit.words("RestrictAddressFamilies")}
        for family in {*_FAMILIES} - families:
            details.add("socket", _refuse(errno.EAFNOSUPPORT), 0, _EQUAL, family)
        if unit.one("RestrictNamespaces") == "yes":
            details.add("clone3", _refuse(errno.ENOSYS))  # its flags are out of a filter's reach
            for name, argument in _FLAGS.items():
                for flag in _NAMESPACES:
                    details.add(name, _refuse(errno.EPERM), argument, _MASKED_EQUAL, flag, flag)
        if unit.one("RestrictSUIDSGID") == "yes":
            for name, argument in _MODES.items():
                for bit in _SET_ID:
                    details.add(name, _refuse(errno.EPERM), argument, _MASKED_EQUAL, bit, bit)
        self._filters = (calls, details)

    def enter(self) -> None:
        """Confine this process and those that it will start, for good."""
        os.umask(self._mask)
        # A container may not have as many as systemd would give.
        files = min(self._files, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
        for capability in {*range(_CAPABILITIES)} - {_KEPT_CAPABILITY}:
            _libc().prctl(_CAPABILITY_DROP, capability, 0, 0, 0)  # only root has any to lose
        # The one that allows less is last: it need not allow what it takes to load the other.
        for rules in reversed(self._filters):
            rules.load()


class _Filter:
    def __init__(self, otherwise: int) -> None:
        self._context = _seccomp().seccomp_init(otherwise)
        assert self._context

    def add(self, name: str, action: int, argument: int | None = None, *comparison: int) -> None:
        call = _seccomp().seccomp_syscall_resolve_name(name.encode())
        if call < 0:
            return  # of another architecture
        if argument is None:
            failed = _seccomp().seccomp_rule_add_array(self._context, action, call, 0, None)
        else:
            compared = _Comparison(argument, *comparison)
            failed = _seccomp().seccomp_rule_add_array(self._context, action, call, 1, ctypes.byref(compared))
        assert not failed, f"{name}: {os.strerror(-failed)}"

    def load(self) -> None:
        failed = _seccomp().seccomp_load(self._context)
        if failed:
            raise OSError(-failed, os.strerror(-failed))


def _refuse(number: int) -> int:
    return 0x00050000 | number


def _allowed(unit: Unit) -> set[str]:
    """The names of the system calls that a list of what is allowed, followed by lists of what is not, comes to."""
    first, *others = unit.all("SystemCallFilter")
    allowed = {call for word in ("@default", *first.split()) for call in _calls(word)}
    for other in others:
        assert other.startswith("~")
        allowed -= {call for word in other[1:].split() for call in _calls(word)}
    return allowed


@cache
def _calls(word: str) -> frozenset[str]:
    if not word.startswith("@"):
        return frozenset({word})
    told = subprocess.run(
        ["systemd-analyze", "--no-pager", "syscall-filter", word],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    words = [line.strip() for line in told.stdout.splitlines()[1:]]
    return frozenset(call for each in words if each and not each.startswith("#") for call in _calls(each))


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


@cache
def _seccomp() -> ctypes.CDLL:
    library = ctypes.CDLL("libseccomp.so.2")
    library.seccomp_init.restype = ctypes.c_void_p
    library.seccomp_init.argtypes = [ctypes.c_uint32]
    library.seccomp_load.argtypes = [ctypes.c_void_p]
    library.seccomp_syscall_resolve_name.argtypes = [ctypes.c_char_p]
    library.seccomp_rule_add_array.argtypes = [
        *(ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint, ctypes.c_void_p)
    ]
    return library
