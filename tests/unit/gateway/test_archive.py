"""What of an archive may be unpacked beside an agent."""

import io
import stat
import struct
import zipfile
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.archives import archive, paths
from services.gateway.archives.archive import BadArchive, Limits
from tests.support.archive_bytes import renamed, with_mode, zipped

LIMITS = Limits("a project", files=20, size=100_000)


def problems(data: bytes, limits: Limits = LIMITS) -> list[str]:
    with pytest.raises(BadArchive) as caught:
        archive.read(data, limits)
    return caught.value.problems


def test_files_come_out_as_they_went_in() -> None:
    files: dict[str, bytes | str] = {
        "main.py": b"x = 1\r\n",
        "prompts/système.txt": "Sei höflich.",
        "run.sh": b"#!/bin/sh\n",
    }
    content = archive.read(zipped(files, runs=("run.sh",)), LIMITS)
    assert content.files == {
        "main.py": b"x = 1\r\n",
        "prompts/système.txt": "Sei höflich.".encode(),
        "run.sh": b"#!/bin/sh\n",
    }
    assert content.executables == {"run.sh"}


def test_folders_need_no_entry_and_may_have_one() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        made.writestr(zipfile.ZipInfo("pkg/"), b"")
        made.writestr("pkg/a.py", b"")
    assert archive.read(buffer.getvalue(), LIMITS).files == {"pkg/a.py": b""}


def test_what_nobody_means_to_hand_in_is_left_out() -> None:
    content = archive.read(
        zipped({"a.py": "", "__pycache__/a.cpython-311.pyc": "x", "__MACOSX/._a.py": "x", "pkg/.DS_Store": "x"}), LIMITS
    )
    assert set(content.files) == {"a.py"}
    assert content.left_out == 3


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("/etc/passwd", "absolute"),
        ("C:/x.py", "absolute"),
        ("c:x.py", "absolute"),
        ("../x.py", ".."),
        ("a/../../x.py", ".."),
        ("a/..", ".."),
        ("a//b.py", "empty part"),
        ("./a.py", "empty part or a ."),
        ("a/./b.py", "empty part or a ."),
        ("a\\b.py", "backslash"),
        ("..\\x.py", "backslash"),
        ("a\nb.py", "control"),
        ("a\x7f.py", "control"),
        ("a\u202egnp.py", "control"),
        ("a\u2066b.py", "does not show"),
        ("a\u200bb.py", "does not show"),
        ("a\U000e0041.py", "does not show"),
        ("a /b.py", "ends in a space or a dot"),
        ("a.", "ends in a space or a dot"),
        ("docs/con.txt", "the name of a device"),
        ("AUX/a.py", "the name of a device"),
        ("nul", "the name of a device"),
        ("a\u2028b.py", "control"),
        ("a/" * 120 + "a.py", "240"),
        ("a/" * 20 + "a.py", "20 folders"),
        ("ä" * 128 + ".py", "255 bytes"),
    ],
)
def test_a_path_that_may_not_be_is_named(name: str, why: str) -> None:
    (told,) = problems(zipped({name: "x"}))
    assert why in told


def test_a_nul_in_a_name_hides_nothing() -> None:
    (told,) = problems(renamed(zipped({"ab.py": ""}), b"ab.py", b"a\0.py"))
    assert "control" in told


def test_a_name_that_is_no_utf8_is_refused() -> None:
    bad = renamed(zipped({"aä.py": ""}), "aä.py".encode(), b"a\xff\xfe.py")
    assert problems(bad) == ["has a file name that is not valid UTF-8"]


def test_a_name_in_utf8_needs_no_flag() -> None:
    data = bytearray(zipped({"aä.py": "1"}))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = data.find(signature) + offset
        (flags,) = struct.unpack_from("<H", data, place)
        struct.pack_into("<H", data, place, flags & ~0x800)
    assert archive.read(bytes(data), LIMITS).files == {"aä.py": b"1"}


@pytest.mark.parametrize(
    ("mode", "why"),
    [
        (stat.S_IFLNK | 0o777, "symbolic link"),
        (stat.S_IFIFO | 0o644, "neither a file"),
        (stat.S_IFCHR | 0o644, "neither a file"),
        (stat.S_IFBLK | 0o644, "neither a file"),
        (stat.S_IFSOCK | 0o644, "neither a file"),
        (stat.S_IFDIR | 0o755, "neither a file"),
    ],
)
def test_only_regular_files_are_taken(mode: int, why: str) -> None:
    (told,) = problems(with_mode("data.txt", mode))
    assert why in told
    assert "'data.txt'" in told


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_unusual_compression_is_refused(method: int) -> None:
    assert "compressed in an unusual way" in problems(zipped({"a.py": "x" * 100}, method=method))[0]


def test_an_encrypted_file_is_refused() -> None:
    data = bytearray(zipped({"a.py": "x"}))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.find(signature) + offset] |= 1
    assert problems(bytes(data)) == ["'a.py' is encrypted"]


@pytest.mark.parametrize(
    ("names", "why"),
    [
        (["a.py", "A.py"], "same file as 'a.py' on other systems"),
        (["pkg/a.py", "PKG/b.py"], "other systems take for"),
        (["a", "a/b.py"], "other files lie in a folder of that name"),
        (["a/b.py", "A"], "other files lie in a folder of that name"),
        (["\u00e9.txt", "e\u0301.txt"], "same file as"),
        (["stra\u00dfe.txt", "STRASSE.txt"], "same file as"),
    ],
)
def test_paths_that_clash_are_refused(names: list[str], why: str) -> None:
    assert any(why in told for told in problems(zipped(dict.fromkeys(names, "x"))))


def test_the_same_path_twice_is_refused() -> None:
    data = renamed(zipped({"a.py": "1", "b.py": "2"}), b"b.py", b"a.py")
    assert problems(data) == ["'a.py' is there twice"]


def test_all_bad_files_are_told_at_once_up_to_twenty() -> None:
    many = Limits("a project", files=100, size=100_000)
    told = problems(zipped({f"../{i}": "" for i in range(25)}), many)
    assert len(told) == 21
    assert told[0] == "'../0' leads out of its folder (..)"
    assert told[-1] == "and 5 more files that may not be"


def test_too_many_and_too_large_files_are_told_with_the_largest() -> None:
    told = problems(zipped({f"{i}.txt": b"x" * (6000 + i) for i in range(21)}))
    assert told[0] == "has 21 files; a project may have at most 20"
    assert told[1].startswith("has 123 KiB; a project may have at most 98 KiB (the largest: '20.txt' 6 KiB")


def test_an_empty_archive_is_refused() -> None:
    assert problems(zipped({})) == ["has no files in it"]
    assert problems(zipped({".DS_Store": "x"})) == ["has no files in it"]


@pytest.mark.parametrize("data", [b"", b"PK", b"hello" * 100, zipped({"a.py": "x"})[:-30], b"PK\x05\x06" + b"\0" * 17])
def test_what_is_no_archive_is_refused(data: bytes) -> None:
    assert "ZIP" in problems(data)[0]


# -- bombs


def test_a_bomb_is_stopped_by_what_comes_out() -> None:
    """100 MB of zeros in 100 KB, and the headers say that it has 10 bytes."""
    data = bytearray(zipped({"a.bin": b"\0" * 100_000_000}))
    struct.pack_into("<I", data, data.find(b"PK\x01\x02") + 24, 90_000)
    (told,) = problems(bytes(data))
    assert "a.bin" in told or "ZIP" in told


def test_a_bomb_that_states_its_size_is_not_even_begun() -> None:
    (told,) = problems(zipped({"a.bin": b"\0" * 10_000_000}))
    assert "may have at most 98 KiB" in told


def test_entries_that_lie_over_one_another_count_each_time() -> None:
    """David Fifield's kind of bomb: many entries, one piece of compressed data."""
    kernel = zlib.compressobj(9, zlib.DEFLATED, -15)
    content = b"\0" * 60_000
    packed = kernel.compress(content) + kernel.flush()
    crc = zlib.crc32(content)
    head = struct.pack("<4sHHHHHIIIHH", b"PK\x03\x04", 20, 0, 8, 0, 33, crc, len(packed), len(content), 1, 0)
    body = head + b"a" + packed
    central = b""
    for _ in range(10):
        central += struct.pack(
            "<4sHHHHHHIIIHHHHHII",
            b"PK\x01\x02", 20, 20, 0, 8, 0, 33, crc, len(packed), 0, 1, 0, 0, 0, 0, 0, 0,
        ) + b"a"  # fmt: skip
    end = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 10, 10, len(central), len(body), 0)
    assert problems(body + central + end)


def test_a_list_of_a_million_entries_is_not_read() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        for i in range(20_000):
            made.writestr(f"{i:05}.txt", b"")
    assert problems(buffer.getvalue()) == ["has far too many entries"]


def test_zip64_is_refused() -> None:
    data = zipped({"a.py": "x"})
    end = data.rfind(b"PK\x05\x06")
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, 0, 1)
    assert "ZIP64" in problems(data[:end] + locator + data[end:])[0]


@given(st.binary(max_size=400))
def test_no_bytes_break_the_reader(data: bytes) -> None:
    with pytest.raises(BadArchive):
        archive.read(data, LIMITS)


@given(st.data())
def test_no_damaged_archive_breaks_the_reader(data: Any) -> None:
    """What comes out of a damaged archive is within the limits, or a refusal."""
    whole = bytearray(zipped({"main.py": "print(1)\n" * 50, "pkg/a.txt": b"\0" * 3000, "b.py": "x = 1\n"}))
    for _ in range(data.draw(st.integers(1, 6))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        content = archive.read(bytes(whole), LIMITS)
    except BadArchive:
        pass
    else:
        assert sum(map(len, content.files.values())) <= LIMITS.size
        assert not any(paths.problem(path) for path in content.files)


@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=12), max_size=6, unique=True))
def test_what_is_accepted_can_be_unpacked_side_by_side(names: list[str]) -> None:
    if archive.check_paths(names):
        return
    folded = [name.casefold() for name in names]
    assert len(set(folded)) == len(folded)
    for name in names:
        assert not name.startswith("/")
        assert not {"", ".", ".."} & set(name.split("/"))
        assert not any(other.startswith(name + "/") for other in names)


# -- projects


@pytest.mark.parametrize(
    "path",
    ["json.py", "src/json.py", "typing/__init__.py", "src/typing/__init__.py", "sitecustomize.py", "usercustomize.py",
     "test_runner.py", "logging.pyc", "select.cpython-311-x86_64-linux-gnu.so", "queue.so", "src/asyncio/__init__.py"],
)  # fmt: skip
def test_names_that_hide_python_or_the_harness_are_refused(path: str) -> None:
    (bad,) = archive.check_project([path, "main.py"])
    assert bad.path == path
    assert "rename it" in bad.problem


@pytest.mark.parametrize(
    "path",
    ["pkg/json.py", "json/schema.txt", "json/a.py", "json.txt", "test.py", "tests/__init__.py", "mylogging.py",
     "src/pkg/logging.py", "data/typing/__init__.py", "src.py", "__main__.py", "conftest.py"],
)  # fmt: skip
def test_names_that_hide_nothing_are_taken(path: str) -> None:
    assert archive.check_project([path]) == []


def test_the_folders_of_input_and_output_files_are_reserved() -> None:
    bad = archive.check_project(["main.py", "out/a", "out/b.txt", "in/x", "src/out/a.txt", "input/a", "In/y", "OUT"])
    assert [one.path for one in bad] == ["out/a", "in/x", "In/y", "OUT"]
    assert "/work/out" in bad[0].problem


def test_a_place_that_no_file_has_is_refused() -> None:
    data = bytearray(zipped({"a.py": "x"}))
    entry, end = data.rfind(b"PK\x01\x02"), data.rfind(b"PK\x05\x06")
    name = int.from_bytes(data[entry + 28 : entry + 30], "little")
    far = b"\x01\x00\x08\x00" + b"\xff" * 8  # the ZIP64 field with the place of the file
    data[entry + 42 : entry + 46] = b"\xff" * 4
    data[entry + 30 : entry + 32] = len(far).to_bytes(2, "little")
    data[end + 12 : end + 16] = (int.from_bytes(data[end + 12 : end + 16], "little") + len(far)).to_bytes(4, "little")
    data[entry + 46 + name : entry + 46 + name] = far
    (told,) = problems(bytes(data))
    assert "is not a ZIP archive that can be read" in told
