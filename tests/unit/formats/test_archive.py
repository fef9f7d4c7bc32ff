"""Archives are unpacked to the very bytes that were put in, or refused with a reason."""

from __future__ import annotations

import io
import os
import stat
import struct
import zipfile
import zlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ingester.domain.errors import UnreadableFile
from ingester.domain.limits import Limits
from ingester.formats.packed import archive

LIMITS = Limits()
CSV = b"external_id,name\n" + b"".join(b"C-%d,Name %d\n" % (i, i) for i in range(500))


def zipped(path: Path, files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as out:
        for name, content in files.items():
            out.writestr(name, content)
    return path


def unpacked(path: Path, limits: Limits = LIMITS) -> dict[str, bytes]:
    return {member.name: b"".join(archive.read(path, member, limits)) for member in archive.members(path, limits)}


def refusal(path: Path, limits: Limits = LIMITS) -> tuple[str, str]:
    with pytest.raises(UnreadableFile) as refused:
        unpacked(path, limits)
    return refused.value.code, refused.value.reason


@pytest.mark.parametrize(
    "method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA], ids=str
)
def test_every_usual_packing_unpacks_to_the_bytes_that_were_put_in(tmp_path: Path, method: int) -> None:
    files = {"customers.csv": CSV, "empty.csv": b"", "zeros.bin": bytes(3_000_000), "one.txt": b"x"}
    path = zipped(tmp_path / "x.zip", files, method)
    assert unpacked(path) == files
    assert [member.size for member in archive.members(path, LIMITS)] == [len(content) for content in files.values()]
    target = tmp_path / "out"
    target.write_bytes(b"".join(archive.read(path, archive.members(path, LIMITS)[0], LIMITS)))
    assert target.read_bytes() == CSV


def test_folders_hidden_files_and_what_systems_leave_are_no_members(tmp_path: Path) -> None:
    names = ["a/", "a/customers.csv", "__MACOSX/a/._customers.csv", "__macosx/x.csv", "a/.DS_Store", "Thumbs.db"]
    names += ["a/b/territories.csv", "upload.csv.part", "desktop.ini", "old.csv~"]
    path = zipped(tmp_path / "x.zip", dict.fromkeys(names, b""))
    assert [member.name for member in archive.members(path, LIMITS)] == ["customers.csv", "territories.csv"]


def test_a_link_in_an_archive_is_no_member(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    link = zipfile.ZipInfo("customers.csv")
    link.external_attr, link.create_system = (stat.S_IFLNK | 0o777) << 16, 3
    with zipfile.ZipFile(path, "w") as out:
        out.writestr(link, "/etc/passwd")
    assert archive.members(path, LIMITS) == []


def test_names_are_shown_by_their_last_part_and_lead_nowhere(tmp_path: Path) -> None:
    names = ["../../etc/customers.csv", "/abs/jobs.csv", "C:\\data\\items.csv", "bad\x1bname\n.csv"]
    path = zipped(tmp_path / "x.zip", dict.fromkeys(names, b"x"))
    assert [m.name for m in archive.members(path, LIMITS)] == [
        "customers.csv",
        "jobs.csv",
        "items.csv",
        "bad_name_.csv",
    ]


def test_of_two_members_of_one_name_the_second_is_numbered(tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.zip", {"a/customers.csv": b"1", "b/Customers.csv": b"2", "customers_2.csv": b"3"})
    assert unpacked(path) == {"customers.csv": b"1", "Customers_2.csv": b"2", "customers_2_2.csv": b"3"}


def test_names_are_read_as_their_writers_meant_them(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    marked = zipped(path, {"kündigung.csv": b"x"})
    assert [member.name for member in archive.members(marked, LIMITS)] == ["kündigung.csv"]
    plain = zipped(path, {"kXndigung.csv": b"x"}).read_bytes()
    path.write_bytes(plain.replace(b"kXndigung", "kündigung".encode("cp437")))
    assert [member.name for member in archive.members(path, LIMITS)] == ["kündigung.csv"]
    plain = zipped(path, {"kXXndigung.csv": b"x"}).read_bytes()
    path.write_bytes(plain.replace(b"kXXndigung", "kündigung".encode()))
    assert [member.name for member in archive.members(path, LIMITS)] == ["kündigung.csv"]


def test_a_name_with_nul_is_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.zip", {"customersX.csv": b"x"})
    path.write_bytes(path.read_bytes().replace(b"customersX", b"customers\0"))
    assert refusal(path)[0] == "unreadable_file"


def test_an_archive_of_the_larger_format_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        with out.open("customers.csv", "w", force_zip64=True) as member:
            member.write(CSV)
        for number in range(70_000):
            out.writestr(f".{number}", b"")
    limits = LIMITS.model_copy(update={"members": 20_000})
    assert unpacked(path, limits) == {"customers.csv": CSV}
    assert refusal(path)[0] == "too_large"  # its directory alone


def test_an_archive_behind_a_program_is_read(tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.zip", {"customers.csv": CSV})
    path.write_bytes(b"MZ" + bytes(1000) + path.read_bytes())
    assert unpacked(path) == {"customers.csv": CSV}


def test_an_archive_that_was_streamed_is_read(tmp_path: Path) -> None:
    """Whoever cannot seek writes sizes and checksums after the bytes."""
    path, (end, start) = tmp_path / "x.zip", os.pipe()
    with os.fdopen(start, "wb") as pipe, zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("customers.csv", CSV)
        out.writestr("items.csv", CSV)
    with os.fdopen(end, "rb") as piped:
        path.write_bytes(piped.read())
    assert unpacked(path) == {"customers.csv": CSV, "items.csv": CSV}


def test_documents_that_happen_to_be_zips_are_no_archives(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    for mark in ("[Content_Types].xml", "mimetype"):
        assert not archive.is_archive(zipped(path, {mark: b"x", "xl/workbook.xml": b"x"}))
        assert not archive.is_archive(zipped(path, {"custom/item1.xml": b"x", mark: b"x"}))
        # A workbook in an archive is a member like any other.
        assert archive.is_archive(zipped(path, {"a.xlsx": path.read_bytes(), "b.csv": b"x"}, zipfile.ZIP_STORED))
    assert archive.is_archive(zipped(path, {"customers.csv": b"x"}))
    assert archive.is_archive(zipped(path, {}))
    path.write_bytes(CSV)
    assert not archive.is_archive(path)


# --- what was made to harm ------------------------------------------------------------------------------------------


def test_a_bomb_is_refused_before_anything_is_unpacked(tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.zip", {"bomb.csv": bytes(70 << 20)})
    code, reason = refusal(path)
    assert code == "too_large"
    assert "bomb.csv" in reason
    assert len(unpacked(path, LIMITS.model_copy(update={"ratio": 2000}))["bomb.csv"]) == 70 << 20
    small = LIMITS.model_copy(update={"ratio": 2000, "unpacked_bytes": 1 << 20})
    assert refusal(path, small)[0] == "too_large"


def declaring(path: Path, size: int) -> Path:
    """The archive at a path, whose one member says that it has another size."""
    content = bytearray(path.read_bytes())
    struct.pack_into("<I", content, content.find(b"PK\1\2") + 24, size)
    path.write_bytes(content)
    return path


def test_a_member_that_is_larger_than_it_says_is_cut_short_and_refused(tmp_path: Path) -> None:
    path = declaring(zipped(tmp_path / "x.zip", {"bomb.csv": bytes(200 << 20)}), 100)
    (member,) = archive.members(path, LIMITS)
    came: list[int] = []
    with pytest.raises(UnreadableFile, match="more bytes than the 100"):
        came.extend(map(len, archive.read(path, member, LIMITS)))
    assert sum(came) <= 1 << 20


def test_a_member_that_is_smaller_than_it_says_is_refused(tmp_path: Path) -> None:
    path = declaring(zipped(tmp_path / "x.zip", {"customers.csv": CSV}), len(CSV) + 1)
    assert "not the" in refusal(path)[1]


def test_a_wrong_checksum_is_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.zip", {"customers.csv": CSV}, zipfile.ZIP_STORED)
    path.write_bytes(path.read_bytes().replace(b"Name 7\n", b"Name 8\n"))
    assert "checksum" in refusal(path)[1]


def test_entries_that_share_their_bytes_are_refused(tmp_path: Path) -> None:
    """CVE-2024-0450: thousands of entries over one kernel."""
    path = zipped(tmp_path / "x.zip", {"a.csv": CSV, "b.csv": CSV})
    content = bytearray(path.read_bytes())
    first = content.find(b"PK\1\2")
    second = content.find(b"PK\1\2", first + 1)
    content[second + 46 : second + 51] = b"a.csv"
    struct.pack_into("<I", content, second + 42, 0)
    path.write_bytes(content)
    assert "share" in refusal(path)[1]


def test_entries_that_lie_within_one_another_are_refused(tmp_path: Path) -> None:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as out:
        out.writestr("inner.csv", b"x,y\n1,2\n")
    kernel = inner.getvalue()[: inner.getvalue().find(b"PK\1\2")]
    path = zipped(tmp_path / "x.zip", {"outer.csv": kernel}, zipfile.ZIP_STORED)
    content = bytearray(path.read_bytes())
    at = content.find(b"PK\1\2")
    quoted = bytearray(inner.getvalue()[inner.getvalue().find(b"PK\1\2") : -22])
    struct.pack_into("<I", quoted, 42, 30 + len("outer.csv"))
    end = content.rfind(b"PK\5\6")
    content[end:end] = quoted
    end += len(quoted)
    struct.pack_into("<HHI", content, end + 8, 2, 2, end - at)
    path.write_bytes(content)
    assert "share" in refusal(path)[1]


def test_more_members_than_may_be_are_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.zip", {f"{number}.csv": b"x" for number in range(11)})
    assert refusal(path, LIMITS.model_copy(update={"members": 10}))[0] == "too_large"
    assert len(unpacked(path, LIMITS.model_copy(update={"members": 11}))) == 11


def test_a_protected_archive_says_how_to_mend_it(tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.zip", {"customers.csv": CSV})
    content = bytearray(path.read_bytes())
    content[6] |= 1
    content[content.find(b"PK\1\2") + 8] |= 1
    path.write_bytes(content)
    assert refusal(path) == ("encrypted_archive", "The archive is protected by a password")


@pytest.mark.parametrize(("method", "called"), [(9, "Deflate64"), (93, "Zstandard"), (77, "method 77")])
def test_another_packing_is_refused_by_its_name(tmp_path: Path, method: int, called: str) -> None:
    path = zipped(tmp_path / "x.zip", {"customers.csv": CSV})
    content = bytearray(path.read_bytes())
    struct.pack_into("<H", content, content.find(b"PK\1\2") + 10, method)
    path.write_bytes(content)
    assert called in refusal(path)[1]


def test_a_dictionary_that_would_take_the_memory_is_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.zip", {"a.csv": CSV}, zipfile.ZIP_LZMA)
    content = bytearray(path.read_bytes())
    struct.pack_into("<I", content, 30 + len("a.csv") + 5, 0xFFFFFFF0)
    path.write_bytes(content)
    assert refusal(path)[0] == "too_large"


@pytest.mark.parametrize("kept", [4, 30, 200, -1, -22])
def test_an_archive_that_is_cut_off_is_refused(tmp_path: Path, kept: int) -> None:
    path = zipped(tmp_path / "x.zip", {"customers.csv": CSV})
    path.write_bytes(path.read_bytes()[:kept])
    assert refusal(path)[0] == "unreadable_file"


FILES = {"customers.csv": CSV[:300], "b/territories.csv": b"external_id\nT-1\n", ".hidden": b"x"}


def sample(method: int) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as into:
        for name, content in FILES.items():
            into.writestr(zipfile.ZipInfo(name), content, method)
    return out.getvalue()


SAMPLES = [sample(method) for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)]
MUTATIONS = st.lists(
    st.tuples(st.integers(0, 2000), st.sampled_from([b"", b"\0", b"\xff" * 4, b"PK\5\6", b"PK\1\2"]) | st.binary()),
    min_size=1,
    max_size=4,
)


@given(st.sampled_from(SAMPLES), MUTATIONS, st.booleans())
@settings(max_examples=1500, deadline=2000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(SAMPLES[3], [(39, b"\xff\xff\xff\xff\xff")], False)
def test_whatever_is_done_to_an_archive_its_files_come_out_right_or_not_at_all(
    tmp_path: Path, content: bytes, mutations: list[tuple[int, bytes]], inserts: bool
) -> None:
    mutated = bytearray(content)
    for at, change in mutations:
        place = at % len(mutated)
        mutated[place : place if inserts else place + len(change)] = change
    path = tmp_path / "x.zip"
    path.write_bytes(mutated)
    try:
        if not archive.is_archive(path):
            return
        members = archive.members(path, LIMITS)
        for member in members:
            got = b"".join(archive.read(path, member, LIMITS))
            assert (len(got), zlib.crc32(got)) == (member.size, member.crc)
    except UnreadableFile:
        pass  # with a reason, which is how it is made
