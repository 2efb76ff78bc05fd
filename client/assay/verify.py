"""Whether a deployment package is whole and nothing but itself, found out offline.

What is said holds for the ZIP as it lies there. Who changes a file and all checksums with it stays unnoticed, unless
the ZIP's own SHA-256 is compared with what the server says of the package, or its signature is checked by a key.
"""

from __future__ import annotations

import hashlib
import json
import re
import stat
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Final

from assay.attestation import ENVELOPE, PROVENANCE, PublicKeys, Signature, check_provenance, load_keys, signature_of
from assay.local_names import UNSAFE
from assay.zip_layout import Bounded, unlisted

MANIFEST: Final = "manifest.json"
SUMS: Final = "SHA256SUMS"
FORMAT: Final = re.compile(r"assay-package/1(\.[0-9]+)?")
MOST_FILES: Final = 1000
MOST_BYTES: Final = 64 << 20  # unpacked, of all files; a project and its inputs have some 15 MiB at most
_PIECE: Final = 1 << 16
_SUM: Final = re.compile(r"([0-9a-f]{64}) [ *](.+)")
_ENCRYPTED: Final = 0x1
_LISTS: Final = frozenset({MANIFEST, SUMS, PROVENANCE, ENVELOPE})
_NOT_IN_MANIFEST: Final = _LISTS - {SUMS}
_WITHOUT_PROVENANCE: Final = "assay-package/1"
_ODD: Final = re.compile(rf"{UNSAFE.pattern}|[\\:]")


@dataclass(frozen=True, slots=True)
class PackedFile:
    """A file as it lies in the ZIP."""

    path: str
    size: int
    sha256: str


@dataclass(slots=True)
class Verification:
    """What was found."""

    problems: list[str] = field(default_factory=list)
    files: list[PackedFile] = field(default_factory=list)
    sha256: str = ""
    """Of the ZIP itself."""
    manifest: Mapping[str, Any] = field(default_factory=dict)
    """Empty where it cannot be read."""
    signature: Signature | None = None
    """None where the package is not signed."""

    @property
    def passed(self) -> bool:
        """Whether the package is whole."""
        return not self.problems


def verify_package(
    path: str | Path, *, sha256: str = "", test_id: str = "", keys: Sequence[bytes] = ()
) -> Verification:
    """Checks the package in a file; with `sha256`, that it is that very ZIP; with `test_id`, that it was made of this
    test; with `keys` (public keys as PEM), that one of them signed all that is in it. Raises OSError where it cannot be
    read, BadKey, SignaturesNeedALibrary."""
    public = load_keys(keys)
    with Path(path).open("rb") as file:
        found = Verification(sha256=hashlib.file_digest(file, "sha256").hexdigest())
        if sha256 and sha256.lower() != found.sha256:
            found.problems.append(f"the ZIP is another one: its SHA-256 is {found.sha256}")
        try:
            _check(file, found, public)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
            found.problems.append(f"the file is not a sound ZIP: {error}")
        if test_id and found.manifest.get("test_id") != test_id:
            found.problems.append(f"it is of another test: {str(found.manifest.get('test_id'))[:100]!r}")
        return found


def structural_problems(path: str | Path) -> list[str]:
    """What is wrong with a file as a ZIP of a package, by its list of entries and their places: where there is nothing,
    whoever unpacks it is safe. Raises OSError."""
    try:
        with Path(path).open("rb") as file, zipfile.ZipFile(Bounded(file)) as archive:
            return _structure(archive.infolist()) or unlisted(archive, file)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        return [f"it is not a sound ZIP: {error}"]


def _check(file: BinaryIO, found: Verification, keys: PublicKeys) -> None:
    with zipfile.ZipFile(Bounded(file)) as archive:
        entries = archive.infolist()
        found.problems += _structure(entries) or unlisted(archive, file)
        if found.problems:
            return  # nothing is unpacked that may do harm
        folder = _folder(entries)
        kept: dict[str, bytes] = {}
        contents = _read(archive, entries, found, kept)
    _compare_sums(contents, kept, found)
    _compare_manifest(contents, folder, found)
    _compare_provenance(contents, kept, keys, found)


def _structure(entries: Sequence[zipfile.ZipInfo]) -> list[str]:
    """What is wrong before anything is unpacked."""
    problems = []
    if len(entries) > MOST_FILES:
        return [f"{len(entries)} files are more than any package has"]
    if sum(entry.file_size for entry in entries) > MOST_BYTES:
        return [f"unpacked it would be larger than {MOST_BYTES >> 20} MiB: no package is"]
    seen: set[str] = set()
    for entry in entries:
        name = entry.filename
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if name.lower() in seen:
            problems.append(f"{name!r} is there twice")
        seen.add(name.lower())
        if not _is_tame(name) or name != entry.orig_filename:
            problems.append(f"{name!r} leads out of its folder, or has a name that no package has")
        elif entry.is_dir():
            problems.append(f"{name!r} is a folder of its own: no package has one")
        elif kind not in {0, stat.S_IFREG}:
            problems.append(f"{name!r} is a link or a device, not a file")
        elif entry.flag_bits & _ENCRYPTED:
            problems.append(f"{name!r} is encrypted")
        elif entry.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
            problems.append(f"{name!r} is compressed in a way that no package is")  # LZMA may ask for 4 GiB of memory
    if not problems and len({name.partition("/")[0] for name in seen}) != 1:
        problems.append("the files are not in one folder")
    return problems


def _is_tame(name: str) -> bool:
    path = PurePosixPath(name)
    parts = name.removesuffix("/").split("/")
    return not (path.is_absolute() or _ODD.search(name)) and all(part not in {"", ".", ".."} for part in parts)


def _folder(entries: Sequence[zipfile.ZipInfo]) -> str:
    return entries[0].filename.partition("/")[0]


def _read(
    archive: zipfile.ZipFile, entries: Sequence[zipfile.ZipInfo], found: Verification, kept: dict[str, bytes]
) -> dict[str, PackedFile]:
    """What is in the ZIP by its path in the folder; `kept` takes the lists as they are."""
    contents: dict[str, PackedFile] = {}
    for entry in entries:
        path = entry.filename.partition("/")[2]
        digest, size, content = hashlib.sha256(), 0, bytearray()
        with archive.open(entry) as file:
            while piece := file.read(_PIECE):
                size += len(piece)
                if size > entry.file_size:
                    raise ValueError(f"{entry.filename!r} is larger than it says")
                digest.update(piece)
                if path in _LISTS:
                    content += piece
        found.files.append(PackedFile(entry.filename, size, digest.hexdigest()))
        contents[path] = found.files[-1]
        if path in _LISTS:
            kept[path] = bytes(content)
    _read_manifest(kept.get(MANIFEST), found)
    found.problems += [f"{needed} is missing" for needed in (MANIFEST, SUMS) if needed not in contents]
    return contents


def _read_manifest(content: bytes | None, found: Verification) -> None:
    if content is None:
        return
    try:
        manifest = json.loads(content)
    except (ValueError, RecursionError):
        manifest = None
    if isinstance(manifest, dict):
        found.manifest = manifest
    else:
        found.problems.append(f"{MANIFEST} is not readable")


def _compare_sums(contents: Mapping[str, PackedFile], kept: Mapping[str, bytes], found: Verification) -> None:
    if SUMS not in kept:
        return
    listed: dict[str, str] = {}
    for line in kept[SUMS].decode("utf-8", "replace").splitlines():
        match = _SUM.fullmatch(line)
        if not match or match[2] in listed:
            found.problems.append(f"{SUMS} has a line that is none: {line[:100]!r}")
            continue
        listed[match[2]] = match[1]
    _compare(SUMS, listed, {path: data.sha256 for path, data in contents.items() if path != SUMS}, found)


def _compare_provenance(
    contents: Mapping[str, PackedFile], kept: Mapping[str, bytes], keys: PublicKeys, found: Verification
) -> None:
    """The statement is of exactly these files, and with keys, one of them signed it."""
    statement, envelope = kept.get(PROVENANCE), kept.get(ENVELOPE)
    if statement is None and found.manifest.get("format") != _WITHOUT_PROVENANCE:
        found.problems.append(f"{PROVENANCE} is missing")
    if statement is not None:
        there = {path: data.sha256 for path, data in contents.items() if path not in {PROVENANCE, ENVELOPE, SUMS}}
        subjects, problems = check_provenance(statement)
        found.problems += problems
        if not problems:
            _compare(PROVENANCE, subjects, there, found)
    if envelope is not None:
        found.signature, problems = signature_of(envelope, statement or b"", keys)
        found.problems += problems
    elif keys:
        found.problems.append("it is not signed, and a signature was asked for")


def _compare_manifest(contents: Mapping[str, PackedFile], folder: str, found: Verification) -> None:
    manifest = found.manifest
    if not manifest:
        if not found.problems:
            found.problems.append(f"{MANIFEST} is empty")
        return
    if not FORMAT.fullmatch(str(manifest.get("format"))):
        found.problems.append(f"{MANIFEST} has a format that this version does not know: {manifest.get('format')!r}")
        return
    if manifest.get("service_name") != folder:
        found.problems.append(f"{MANIFEST} is of another package: {str(manifest.get('service_name'))[:100]!r}")
    try:
        listed = {str(entry["path"]): (entry["size"], entry["sha256"]) for entry in manifest["files"]}
        agent = manifest["agent"]["sha256"]
        agent_path = str(manifest["agent"].get("path", "agent.py"))
    except (KeyError, TypeError):
        found.problems.append(f"{MANIFEST} has no list of files")
        return
    there = {path: (data.size, data.sha256) for path, data in contents.items() if path not in _NOT_IN_MANIFEST | {SUMS}}
    _compare(MANIFEST, listed, there, found)
    if agent_path in there and there[agent_path][1] != agent:
        found.problems.append(f"{agent_path} is not the code that was tested")


def _compare(by: str, listed: Mapping[str, Any], there: Mapping[str, Any], found: Verification) -> None:
    """Nothing missing, nothing extra, everything the same."""
    found.problems += [f"{path} is missing ({by})" for path in sorted(listed.keys() - there.keys())]
    found.problems += [f"{path} does not belong there ({by})" for path in sorted(there.keys() - listed.keys())]
    found.problems += [
        f"{path} was changed ({by})" for path in sorted(listed.keys() & there.keys()) if listed[path] != there[path]
    ]
