"""A database of advisories that somebody gives us: OSV records about PyPI, as files of a folder or of a ZIP.

Takes what is public in this form: the PyPA's advisory-database (YAML) and the ZIP of all records that osv.dev makes of
it (JSON). Decides which records speak of a version; knows no network.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from shared.errors import AssayError

ECOSYSTEM: Final = "PyPI"
LARGEST: Final = 16 << 20  # of one record; real ones have some 10 KiB
_LOADER: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)  # every scalar stays text, as OSV's JSON has them

Record = dict[str, Any]


class NoAdvisories(AssayError):
    """What was given is no database of advisories: nothing can be said by it."""


@dataclass(slots=True)
class Advisories:
    """Records by the package that they speak of."""

    by_package: dict[str, list[Record]] = field(default_factory=dict)
    newest: str = ""
    """When the newest record was changed: how old the database is."""
    count: int = 0

    @classmethod
    def read(cls, path: Path) -> Advisories:
        """Raises NoAdvisories: an empty database would find nothing and look like good news."""
        found = cls()
        try:
            for name, text in _files(path):
                found._add(name, text)
        except (OSError, zipfile.BadZipFile) as error:
            raise NoAdvisories(f"{path} cannot be read: {error}") from error
        if not found.count:
            raise NoAdvisories(
                f"{path} has no advisories about PyPI: give a folder or a ZIP of OSV records (JSON or YAML), such as "
                f"a checkout of the PyPA's advisory-database"
            )
        return found

    def about(self, name: str, version: str) -> list[Record]:
        """Those that speak of this version and were not withdrawn."""
        package = canonicalize_name(name)
        return [record for record in self.by_package.get(package, []) if _affects(record, package, version)]

    def _add(self, name: str, text: bytes) -> None:
        try:
            record = json.loads(text) if name.endswith(".json") else _of_yaml(text)
        except (ValueError, yaml.YAMLError, RecursionError) as error:
            raise NoAdvisories(f"{name} is not readable: {error}"[:300]) from error
        if not isinstance(record, dict) or "id" not in record or not isinstance(record.get("affected"), list):
            return  # some other file of the folder
        packages = {package for affected in record["affected"] if (package := _package(affected))}
        if not packages or record.get("withdrawn"):
            return
        self.count += 1
        self.newest = max(self.newest, str(record.get("modified", "")))
        for package in packages:
            self.by_package.setdefault(package, []).append(record)


def _of_yaml(text: bytes) -> Any:
    loader = _LOADER(text)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


def _files(path: Path) -> Iterator[tuple[str, bytes]]:
    if path.is_dir():
        for file in sorted(path.rglob("*")):
            if file.suffix in {".json", ".yaml", ".yml"} and file.is_file() and file.stat().st_size <= LARGEST:
                yield str(file), file.read_bytes()
        return
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            if entry.filename.endswith(".json") and entry.file_size <= LARGEST:
                yield entry.filename, archive.read(entry)


def _package(affected: Mapping[str, Any]) -> str | None:
    package = affected.get("package") or {}
    return canonicalize_name(str(package.get("name", ""))) if package.get("ecosystem") == ECOSYSTEM else None


def _affects(record: Record, package: str, version: str) -> bool:
    wanted = Version(version)
    for affected in record["affected"]:
        if _package(affected) != package:
            continue
        if any(_is(version_there, wanted) for version_there in affected.get("versions") or []):
            return True
        ranges = [one for one in affected.get("ranges") or [] if one.get("type") == "ECOSYSTEM"]
        if any(_within(one.get("events") or [], wanted) for one in ranges):
            return True
    return False


def _is(text: str, version: Version) -> bool:
    try:
        return Version(text) == version
    except InvalidVersion:
        return False


def _within(events: list[Mapping[str, str]], version: Version) -> bool:
    """By OSV's rules. A range that cannot be read affects: better one finding too many."""
    steps: list[tuple[Version, int, str]] = []
    order = {"introduced": 0, "fixed": 1, "last_affected": 2}
    try:
        for event in events:
            for kind, text in event.items():
                if kind in order:
                    steps.append((Version("0.dev0" if text == "0" else text), order[kind], kind))
    except InvalidVersion:
        return True
    inside = False
    for at, _, kind in sorted(steps):
        if kind == "introduced" and version >= at:
            inside = True
        elif (kind == "fixed" and version >= at) or (kind == "last_affected" and version > at):
            inside = False
    return inside
