"""`assay verify`: an honest package passes, and no other."""

import dataclasses
import hashlib
import io
import json
import stat
import struct
import subprocess
import sys
import warnings
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from assay.cli.app import app
from assay.verify import structural_problems, verify_package
from assay.zip_layout import LONGEST_LIST
from services.packager.archive import packed
from tests.support.package_facts import EVERYTHING, FACTS, facts, zipped

FOLDER = "word-counter"
Files = dict[str, bytes]


def rezipped(files: Files, *, folder: str = FOLDER, method: int = zipfile.ZIP_STORED) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", method) as archive:
        for path, data in files.items():
            archive.writestr(f"{folder}/{path}", data)
    return sink.getvalue()


def with_sums(files: Files) -> Files:
    """SHA256SUMS made anew, as somebody would who wants a change to stay unnoticed."""
    others = {path: data for path, data in files.items() if path != "SHA256SUMS"}
    sums = "".join(f"{hashlib.sha256(data).hexdigest()}  {path}\n" for path, data in others.items())
    return {**others, "SHA256SUMS": sums.encode()}


def problems(raw: bytes, tmp_path: Path) -> list[str]:
    path = tmp_path / "package.zip"
    path.write_bytes(raw)
    return verify_package(path).problems


@pytest.mark.parametrize("of", [FACTS, EVERYTHING, facts(agent_name="Ünï | <b>"), facts(agent_code="")])
def test_what_was_packed_passes(of: object, tmp_path: Path) -> None:
    assert dataclasses.is_dataclass(of)
    path = tmp_path / "package.zip"
    path.write_bytes(zipped(of))  # type: ignore[arg-type]
    found = verify_package(path, sha256=hashlib.sha256(path.read_bytes()).hexdigest().upper())
    assert found.problems == []
    assert found.passed
    assert found.manifest["test_id"] == FACTS.test_id
    assert len(found.files) == len(packed(of))  # type: ignore[arg-type]


def test_the_same_files_packed_by_another_program_pass(tmp_path: Path) -> None:
    assert problems(rezipped(packed(FACTS), method=zipfile.ZIP_DEFLATED), tmp_path) == []


def changed(path: str, data: bytes) -> Callable[[Files], Files]:
    return lambda files: {**files, path: data}


def without(path: str) -> Callable[[Files], Files]:
    return lambda files: {name: data for name, data in files.items() if name != path}


def edited(**changes: object) -> Callable[[Files], Files]:
    def edit(files: Files) -> Files:
        manifest = {**json.loads(files["manifest.json"]), **changes}
        return with_sums({**files, "manifest.json": json.dumps(manifest).encode()})

    return edit


@pytest.mark.parametrize(
    ("tamper", "said"),
    [
        (changed("agent.py", b"import os"), "agent.py was changed"),
        (changed("extra.py", b""), "extra.py does not belong there"),
        (without("Dockerfile"), "Dockerfile is missing"),
        (without("manifest.json"), "manifest.json is missing"),
        (without("SHA256SUMS"), "SHA256SUMS is missing"),
        (changed("SHA256SUMS", b"what\n"), "has a line that is none"),
        (changed("manifest.json", b"{"), "manifest.json is not readable"),
        (changed("manifest.json", b"[" * 100_000), "manifest.json is not readable"),
        (lambda files: with_sums({**files, "agent.py": b"x"}), "agent.py was changed (manifest.json)"),
        (lambda files: with_sums({**files, "extra.py": b"x"}), "extra.py does not belong there (manifest.json)"),
        (lambda files: with_sums(without("server.py")(files)), "server.py is missing (manifest.json)"),
        (edited(format="assay-package/2"), "a format that this version does not know"),
        (edited(service_name="other"), "of another package"),
        (edited(files=None), "no list of files"),
        (edited(files=[1]), "no list of files"),
        (edited(agent={"sha256": "0" * 64}), "agent.py is not the code that was tested"),
        (edited(agent=None), "no list of files"),
    ],
)
def test_a_package_that_was_changed_does_not_pass(tamper: Callable[[Files], Files], said: str, tmp_path: Path) -> None:
    found = problems(rezipped(tamper(packed(FACTS))), tmp_path)
    assert any(said in problem for problem in found), found


def with_entry(name: str, *, data: bytes = b"x", mode: int = stat.S_IFREG | 0o644, flags: int = 0) -> bytes:
    sink = io.BytesIO(zipped(FACTS))
    with zipfile.ZipFile(sink, "a") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a name that is there twice
        entry = zipfile.ZipInfo(name)
        entry.external_attr = mode << 16
        entry.create_system = 3
        archive.writestr(entry, data)
        if flags:
            archive.infolist()[-1].flag_bits |= flags
    return sink.getvalue()


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (with_entry("../outside"), "leads out"),
        (with_entry(f"{FOLDER}/../../outside"), "leads out"),
        (with_entry("/etc/cron.d/x"), "leads out"),
        (with_entry(f"{FOLDER}\\..\\x"), "leads out"),
        (with_entry("C:/x"), "leads out"),
        (with_entry(f"{FOLDER}/a\nb"), "leads out"),
        (with_entry(f"{FOLDER}//x"), "leads out"),
        (with_entry(f"{FOLDER}/link", data=b"/etc/passwd", mode=stat.S_IFLNK | 0o777), "is a link"),
        (with_entry(f"{FOLDER}/pipe", mode=stat.S_IFIFO | 0o644), "is a link or a device"),
        (with_entry(f"{FOLDER}/sub/", data=b""), "is a folder of its own"),
        (with_entry(f"{FOLDER}/agent.py"), "is there twice"),
        (with_entry(f"{FOLDER}/AGENT.py"), "is there twice"),
        (with_entry("elsewhere/x"), "not in one folder"),
        (with_entry(f"{FOLDER}/x", flags=1), "is encrypted"),
        (rezipped({"x": b"x" * 99}, method=zipfile.ZIP_LZMA), "compressed in a way"),
        (rezipped({"x": b"x" * 99}, method=zipfile.ZIP_BZIP2), "compressed in a way"),
        (rezipped({f"f{number}": b"" for number in range(1001)}), "more than any package has"),
        (rezipped({"zeros": bytes(65 << 20)}, method=zipfile.ZIP_DEFLATED), "larger than 64 MiB"),
        (zipped(FACTS)[:-10], "not a sound ZIP"),
        (zipped(FACTS)[:100], "not a sound ZIP"),
        (b"", "not a sound ZIP"),
        (b"PK\5\6" + bytes(18), "not in one folder"),
    ],
    ids=lambda value: value if isinstance(value, str) else "zip",
)
def test_a_zip_that_may_do_harm_is_not_even_unpacked(raw: bytes, said: str, tmp_path: Path) -> None:
    found = problems(raw, tmp_path)
    assert any(said in problem for problem in found), found


def test_a_bomb_that_lies_about_its_size_is_cut_short(tmp_path: Path) -> None:
    raw = bytearray(rezipped({"zeros": bytes(65 << 20)}, method=zipfile.ZIP_DEFLATED))
    at = raw.rindex(b"PK\1\2") + 24
    raw[at : at + 4] = (100).to_bytes(4, "little")
    found = problems(bytes(raw), tmp_path)
    assert any("not a sound ZIP" in problem for problem in found), found


@given(st.data())
def test_no_changed_byte_stays_unnoticed_that_changes_what_is_unpacked(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    raw = bytearray(zipped(FACTS))
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at] ^= data.draw(st.integers(1, 255))
    folder = tmp_path_factory.mktemp("changed")
    if problems(bytes(raw), folder):
        return
    with zipfile.ZipFile(io.BytesIO(bytes(raw))) as archive:
        found = {name: archive.read(name) for name in archive.namelist()}
    assert found == {f"{FOLDER}/{path}": content for path, content in packed(FACTS).items()}


HIDDEN = b"import os\n"


def local(name: str, data: bytes, *, flags: int = 0) -> bytes:
    """A file as it stands in a ZIP, which a program that reads from the front unpacks, listed or not."""
    path = f"{FOLDER}/{name}".encode()
    fields = (20, flags, 0, 0, 33, zlib.crc32(data), len(data), len(data), len(path), 0)
    return struct.pack("<4s5H3L2H", b"PK\3\4", *fields) + path + data


def listed_later(raw: bytes, by: int) -> bytes:
    """The same with the list of files `by` bytes further on, as a program writes it that knows of them."""
    out = bytearray(raw)
    (at,) = struct.unpack_from("<L", out, len(out) - 6)
    struct.pack_into("<L", out, len(out) - 6, at + by)
    return bytes(out)


def hidden_between(raw: bytes) -> bytes:
    """Something behind the last file and before the list."""
    (at,) = struct.unpack_from("<L", raw, len(raw) - 6)
    extra = local("agent.py", HIDDEN)
    return listed_later(raw[:at] + extra + raw[at:], len(extra))


def says_another_name(raw: bytes) -> bytes:
    return raw.replace(f"{FOLDER}/agent.py".encode(), f"{FOLDER}/agent.pz".encode(), 1)


def says_another_size(raw: bytes) -> bytes:
    """The first file ends early for who reads it from the front, and what it has in it is the next one."""
    out = bytearray(raw)
    struct.pack_into("<L", out, 18, 0)
    return bytes(out)


def says_no_size(raw: bytes) -> bytes:
    out = bytearray(raw)
    out[6] |= 8
    return bytes(out)


@pytest.mark.parametrize(
    ("forge", "said"),
    [
        (lambda raw: local("agent.py", HIDDEN) + raw, "not in the list"),
        (lambda raw: b"#!/bin/sh\n" + raw, "not in the list"),
        (hidden_between, "not in their list"),
        (says_another_name, "another file for who reads"),
        (says_another_size, "another file for who reads"),
        (says_no_size, "how large it is"),
    ],
)
def test_what_only_some_programs_would_unpack_does_not_pass(
    forge: Callable[[bytes], bytes], said: str, tmp_path: Path
) -> None:
    """All that is listed is as it was packed, and signed. A program that reads a ZIP as it comes finds more."""
    raw = forge(zipped(FACTS))
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        assert archive.namelist()  # it is a ZIP for others
    path = tmp_path / "package.zip"
    path.write_bytes(raw)
    for found in (verify_package(path).problems, structural_problems(path)):
        assert any(said in problem for problem in found), found


def test_a_list_of_files_that_would_fill_the_memory_is_not_read(tmp_path: Path) -> None:
    name = b"word-counter/x"
    entry = b"PK\1\2" + bytes(24) + struct.pack("<H", len(name)) + bytes(16) + name
    count = LONGEST_LIST // len(entry) + 1
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count & 0xFFFF, count & 0xFFFF, count * len(entry), 0, 0)
    path = tmp_path / "package.zip"
    path.write_bytes(entry * count + end)
    for found in (verify_package(path).problems, structural_problems(path)):
        assert any("list of files is longer" in problem for problem in found), found


def test_another_signed_package_is_told_from_that_of_the_test_that_was_meant(tmp_path: Path) -> None:
    path = tmp_path / "package.zip"
    path.write_bytes(zipped(FACTS))
    assert verify_package(path, test_id=FACTS.test_id).passed
    found = verify_package(path, test_id="tst_" + "0" * 32)
    assert [problem for problem in found.problems if "of another test" in problem]
    assert run(str(path), "--test", "tst_" + "0" * 32)[0] == 1
    assert run(str(path), "--test", FACTS.test_id)[0] == 0


def test_another_zip_is_told_from_the_one_that_was_meant(tmp_path: Path) -> None:
    path = tmp_path / "package.zip"
    path.write_bytes(zipped(FACTS))
    found = verify_package(path, sha256="0" * 64)
    assert "is another one" in found.problems[0]


# --- The command


def run(*words: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["verify", *words])
    return done.exit_code, done.stdout, done.stderr


def test_the_command_says_that_all_is_well(tmp_path: Path) -> None:
    path = tmp_path / "package.zip"
    path.write_bytes(zipped(FACTS))
    code, out, err = run(str(path))
    assert (code, err) == (0, "")
    assert f"{len(packed(FACTS))} files" in out
    assert FACTS.test_id in out
    assert hashlib.sha256(path.read_bytes()).hexdigest() in out


def test_the_command_says_what_is_wrong_and_ends_with_1(tmp_path: Path) -> None:
    path = tmp_path / "package.zip"
    path.write_bytes(rezipped({**packed(FACTS), "agent.py": b"x", "\x1b[31m": b""}))
    code, out, err = run(str(path))
    assert (code, out) == (1, "")
    assert "leads out" in err
    assert "\x1b" not in err


def test_the_command_speaks_json(tmp_path: Path) -> None:
    path = tmp_path / "package.zip"
    path.write_bytes(zipped(FACTS))
    code, out, _ = run(str(path), "--json")
    said = json.loads(out)
    assert (code, said["passed"], said["problems"]) == (0, True, [])
    assert said["manifest"]["agent"]["name"] == FACTS.agent_name
    path.write_bytes(rezipped({**packed(FACTS), "agent.py": b"x"}))
    code, out, _ = run(str(path), "--json")
    assert (code, json.loads(out)["passed"]) == (1, False)


def test_a_file_that_cannot_be_read_ends_with_2(tmp_path: Path) -> None:
    assert run(str(tmp_path / "missing.zip"))[0] == 2
    assert run(str(tmp_path))[0] == 2
    assert run(str(tmp_path / "x"), "--sha256", "12")[0] == 2


def test_nothing_of_the_network_is_loaded_to_verify(tmp_path: Path) -> None:
    path = tmp_path / "package.zip"
    path.write_bytes(zipped(FACTS))
    script = (
        "import sys; from assay.verify import verify_package; assert verify_package(sys.argv[1]).passed; "
        "assert not {'grpc', 'socket', 'ssl'} & set(sys.modules), sys.modules.keys()"
    )
    done = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
