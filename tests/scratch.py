"""Where tests keep their files: in memory, where the machine has room there.

A test proves what a `kill -9` does, or a full disk, and brings its own disk for that; none cuts the power, so waiting
for a real disk would prove nothing. What costs most there are databases: each is hundreds of files.
"""

from __future__ import annotations

import shutil
from pathlib import Path

_IN_MEMORY = Path("/dev/shm")
# A run of all tests takes up to 0.9 GB at a time, of that PostgreSQL with its programs 0.4 GB.
_ENOUGH_BYTES = 3 << 30


def scratch_root() -> Path:
    """The folder for the files of a test run: short, as a socket's path must be, and where any account may enter."""
    if _IN_MEMORY.is_dir() and _memory_left() > _ENOUGH_BYTES:
        return _IN_MEMORY
    return Path("/tmp")


def _memory_left() -> int:
    """What fits into the folder in memory, and still leaves as much again to programs. Containers often limit it."""
    available = 0
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            available = int(line.split()[1]) * 1024
    return min(shutil.disk_usage(_IN_MEMORY).free, available // 2)
