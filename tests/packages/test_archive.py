"""The ZIP: reproducible, streamed, readable by everybody."""

import hashlib
import io
import json
import shutil
import subprocess
import sys
import tracemalloc
import zipfile
from pathlib import Path

import pytest

from services.packager.archive import content_hash, packed, write_archive
from services.packager.content import Options, contents
from tests.support.package_facts import EVERYTHING, FACTS, facts, unpacked, zipped


class Stream:
    """Takes what is written and can do nothing else."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.pieces.append(bytes(data))


class Nowhere:
    def write(self, data: bytes) -> None:
        pass


def test_the_same_test_gives_the_same_bytes() -> None:
    assert zipped(EVERYTHING) == zipped(EVERYTHING)


def test_the_bytes_are_the_same_in_another_process_with_another_hash_seed(tmp_path: Path) -> None:
    script = "import sys; from tests.support.package_facts import *; sys.stdout.buffer.write(zipped(EVERYTHING))"
    root = Path(__file__).parents[2]
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", script],
            capture_output=True,
            check=True,
            cwd=root,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": f"{root}:{root}/client", "TZ": "Asia/Tokyo"},
        )
        assert done.stdout == zipped(EVERYTHING)


def test_nothing_in_it_depends_on_a_compressor_a_clock_or_a_umask() -> None:
    with zipfile.ZipFile(io.BytesIO(zipped(FACTS))) as archive:
        for entry in archive.infolist():
            assert entry.compress_type == zipfile.ZIP_STORED
            assert entry.date_time == (1980, 1, 1, 0, 0, 0)
            assert entry.external_attr >> 16 == 0o100644
            assert not entry.flag_bits & 0x08, "a data descriptor: some readers cannot stream stored entries with one"


def test_it_is_written_to_a_sink_that_can_only_take() -> None:
    sink = Stream()
    summary = write_archive(contents(FACTS), FACTS, sink)
    whole = b"".join(sink.pieces)
    assert whole == zipped(FACTS)
    assert summary.content_hash == content_hash(FACTS)
    assert (summary.size, summary.sha256) == (len(whole), hashlib.sha256(whole).hexdigest())
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        assert archive.testzip() is None
        told = [(file.path, file.size, file.sha256) for file in summary.files]
        assert told == [
            (name, len(data), hashlib.sha256(data).hexdigest())
            for name in archive.namelist()
            for data in [archive.read(name)]
        ]


def test_writing_takes_no_more_memory_for_a_large_package() -> None:
    large = {f"part-{number:02d}.bin": bytes(1 << 20) for number in range(32)}
    tracemalloc.start()
    try:
        write_archive(large, FACTS, Nowhere())
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_everybody_can_unpack_it(tmp_path: Path) -> None:
    (tmp_path / "package.zip").write_bytes(zipped(EVERYTHING))
    for command in (["unzip", "-q"], ["bsdtar", "-xf"], ["busybox", "unzip", "-q"]):
        if shutil.which(command[0]):
            folder = tmp_path / command[0]
            folder.mkdir()
            subprocess.run([*command, "../package.zip"], cwd=folder, check=True, capture_output=True)
            found = {str(p.relative_to(folder / "word-counter")) for p in folder.rglob("*") if p.is_file()}
            assert found == set(packed(EVERYTHING))


def test_sha256sum_accepts_the_list_of_checksums(tmp_path: Path) -> None:
    folder = unpacked(EVERYTHING, tmp_path)
    done = subprocess.run(
        ["sha256sum", "--strict", "-c", "SHA256SUMS"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    listed = {line.partition(": ")[0] for line in done.stdout.splitlines()}
    assert listed == set(packed(EVERYTHING)) - {"SHA256SUMS"}


def test_the_manifest_lists_every_other_file() -> None:
    files = packed(EVERYTHING)
    manifest = json.loads(files["manifest.json"])
    assert {entry["path"] for entry in manifest["files"]} == set(files) - {
        "manifest.json",
        "provenance.json",
        "SHA256SUMS",
    }
    for entry in manifest["files"]:
        data = files[entry["path"]]
        assert (entry["size"], entry["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
    assert manifest["provenance"]["finished"] == "2026-03-04T05:06:09.012Z"
    assert manifest["requirements"]["pinned_as_tested"] is True


def test_the_agent_is_there_byte_for_byte() -> None:
    code = "# ünïcode \u2028 and\r\nno newline at the end"
    assert packed(facts(agent_code=code))["agent.py"] == code.encode()


@pytest.mark.parametrize(
    "change",
    [
        {"test_id": "tst_other"},
        {"agent_code": "x = 1\n"},
        {"resolved": ("six==1.17.0",)},
        {"options": Options(port=8081)},
        {"options": Options(load_balancer=True)},
        {"assay_version": "0.2.0"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_the_hash_names_what_is_inside(change: dict[str, object]) -> None:
    assert content_hash(FACTS) == content_hash(facts())
    assert content_hash(facts(**change)) != content_hash(FACTS)
