"""Versions of MongoDB and nats-server with holes that matter beside Assay: what somebody can do without a login, or
with less than was meant. Checked by hand against their sources on 2026-11-30; not all holes there are.

Pure. Who knows a version asks here, and says it once (`shared.telemetry.holes`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

MONGODB: Final = "MongoDB"
NATS: Final = "nats-server"
Version = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Hole:
    """A published hole of a server."""

    id: str
    server: str
    ranges: tuple[tuple[str, str], ...]
    """From the first version that has it to the first one that has not; `x.y` stands for its whole series."""
    what: str
    source: str

    def is_in(self, version: Version) -> bool:
        return any(_of(first) <= version < _of(fixed) for first, fixed in self.ranges)


HOLES: Final = (
    Hole(
        "CVE-2025-14847",
        MONGODB,
        (
            *(("3.6", "4.4.30"), ("5.0", "5.0.32"), ("6.0", "6.0.27")),
            *(("7.0", "7.0.28"), ("8.0", "8.0.17"), ("8.2", "8.2.3")),
        ),
        "anybody who can connect reads fragments of its memory, where zlib compression is on",
        "https://jira.mongodb.org/browse/SERVER-115508",
    ),
    Hole(
        "CVE-2026-118383",
        MONGODB,
        (
            *(("4.4", "4.4.32"), ("5.0", "5.0.35"), ("6.0", "6.0.30"), ("7.0", "7.0.48")),
            *(("8.0", "8.0.37"), ("8.3", "8.3.16"), ("9.0", "9.0.7")),
        ),
        "anybody who can connect may end it or run code, while a new primary of several members catches up",
        "https://www.cve.org/CVERecord?id=CVE-2026-118383",
    ),
    Hole(
        "CVE-2026-9740",
        MONGODB,
        (("7.0", "7.0.35"), ("8.0", "8.0.24"), ("8.2", "8.2.10"), ("8.3", "8.3.3")),
        "anybody who can connect ends it",
        "https://www.cve.org/CVERecord?id=CVE-2026-9740",
    ),
    Hole(
        "CVE-2026-120815",
        MONGODB,
        (("7.0", "7.0.48"), ("8.0", "8.0.37"), ("8.3", "8.3.16"), ("9.0", "9.0.7")),
        "who has access to its machine becomes its administrator",
        "https://www.cve.org/CVERecord?id=CVE-2026-120815",
    ),
    Hole(
        "CVE-2025-30215",
        NATS,
        (("2.2", "2.10.27"), ("2.11", "2.11.1")),
        "a user who may publish on $JS.> deletes the streams of any account",
        "https://advisories.nats.io/CVE/secnote-2025-01.txt",
    ),
    Hole(
        "CVE-2023-47090",
        NATS,
        (("2.2", "2.9.23"), ("2.10", "2.10.2")),
        "where the only account that is configured is the system's, anybody is let in",
        "https://advisories.nats.io/CVE/secnote-2023-01.txt",
    ),
    Hole(
        "GHSA-9983-vrx2-fg9c",
        NATS,
        (("2.0", "2.11.15"), ("2.12", "2.12.6")),
        "a user who may restore one stream restores any",
        "https://github.com/advisories/GHSA-9983-vrx2-fg9c",
    ),
)

LEAST: Final = {MONGODB: ("9.0.7", "8.3.16", "8.0.37", "7.0.48"), NATS: ("2.12.6", "2.11.15")}
"""The least versions, of the series that are kept up, that have none of these."""

CLOSED_BY_RIGHTS: Final = frozenset({"CVE-2025-30215", "CVE-2023-47090", "GHSA-9983-vrx2-fg9c"})
"""Holes of nats-server that need rights which no user has but the operator's, in the accounts of `assay-admin nats`."""


def holes_of(server: str, version: str) -> Sequence[Hole]:
    """The known holes of this version; none where the version makes no sense."""
    found = _of(version)
    return [hole for hole in HOLES if hole.server == server and hole.is_in(found)]


def _of(version: str) -> Version:
    """`2.12.6-RC.1` is (2, 12, 6): a candidate has what its release has, as far as anybody says."""
    number = re.match(r"v?(\d+(?:\.\d+){0,2})", version)
    return tuple(int(part) for part in number[1].split(".")) if number else ()
