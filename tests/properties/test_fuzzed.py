"""Whatever bytes a file has, it is a table or it is refused; nothing else happens, and it does not take long."""

from __future__ import annotations

import gzip
import random
import shutil
import tempfile
import time
from pathlib import Path

import pytest

from ingester.domain.errors import UnreadableFile
from ingester.domain.limits import Limits
from tests.opened import opened, rows

CORPUS = sorted((Path(__file__).parents[1] / "corpus").glob("*.csv"))
MARKS = [
    b'"',
    b"'",
    b"\\",
    b"\n",
    b"\r",
    b",",
    b";",
    b"\t",
    b"|",
    b"\0",
    b"\xff",
    b"\xef\xbb\xbf",
    b"#",
    b"--",
    b'""',
    b"\x1a",
]
SECONDS = 5.0


def read(data: bytes, name: str = "file.csv") -> str:
    """`read` or the code of its refusal."""
    folder = Path(tempfile.mkdtemp(dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
    before = time.perf_counter()
    try:
        found = rows(opened(folder, data, name, limits=Limits(unpacked_bytes=8 << 20)))
    except UnreadableFile as error:
        return error.code
    else:
        assert all(isinstance(cell, str) for row in found for cell in row)
        return "read"
    finally:
        assert time.perf_counter() - before < SECONDS
        shutil.rmtree(folder)


def mutated(data: bytes, chance: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.randint(1, 6)):
        at = chance.randint(0, len(changed))
        match chance.randrange(5):
            case 0:
                changed[at:at] = chance.choice(MARKS)
            case 1:
                del changed[at : at + chance.randint(1, 20)]
            case 2:
                changed[at : at + 1] = bytes([chance.randrange(256)])
            case 3:
                changed[at:at] = changed[at : at + chance.randint(1, 200)] * chance.randint(1, 4)
            case _:
                del changed[at:]
    return bytes(changed)


@pytest.mark.parametrize("seed", range(8))
def test_a_damaged_file_is_a_table_or_refused(seed: int) -> None:
    chance = random.Random(seed)
    outcomes = [read(mutated(chance.choice(CORPUS).read_bytes(), chance)) for _ in range(80)]
    assert outcomes.count("read") > 40


@pytest.mark.parametrize("seed", range(4))
def test_bytes_of_chance_are_a_table_or_refused(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(40):
        read(chance.randbytes(chance.randint(1, 400)))
        read(bytes(chance.choices(b"ab1,;\t|\"'\\\n\r #-.", k=chance.randint(1, 400))))
        read(
            "".join(chance.choices('aé☃,;"\n\r\ufeff\u2028\x85', k=chance.randint(1, 200))).encode(
                chance.choice(["utf-8", "utf-16"])
            )
        )


@pytest.mark.parametrize("seed", range(2))
def test_a_damaged_archive_is_a_table_or_refused(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(20):
        read(mutated(gzip.compress(chance.choice(CORPUS).read_bytes()), chance), "file.csv.gz")


@pytest.mark.parametrize("unit", ['"', '",', "a,", "\n", ',"', '\\"', "#\n", "| ", "||--", "'", " ", "\r", '"\n'])
def test_what_repeats_itself_does_not_take_long(unit: str) -> None:
    read((unit * (1 << 18)).encode()[: 1 << 18])
    read(("id,name\n1," + unit * (1 << 18)).encode()[: 1 << 18])
