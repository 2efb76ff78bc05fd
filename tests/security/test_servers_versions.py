"""Known holes of the servers are warned of, once, unless they are closed in another way."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from deploy.local import tools
from deploy.local.mongo import NOT_COMPRESSING, MongoServer
from shared.advisories import CLOSED_BY_RIGHTS, HOLES, LEAST, MONGODB, NATS, holes_of
from shared.bus.connect import Bus
from shared.store.connect import connected
from shared.telemetry import holes
from tests.support.servers import free_port, running

WARNING, CLOSED = "server_version_has_known_hole", "server_hole_is_closed_here"


@pytest.mark.parametrize(
    ("server", "version", "expected"),
    [
        (MONGODB, "6.0.5", {"CVE-2025-14847", "CVE-2026-118383"}),
        (MONGODB, "6.0.27", {"CVE-2026-118383"}),
        (MONGODB, "6.0.30", set()),
        (MONGODB, "4.2.1", {"CVE-2025-14847"}),
        (MONGODB, "8.0.16", {"CVE-2025-14847", "CVE-2026-118383", "CVE-2026-9740", "CVE-2026-120815"}),
        (MONGODB, "8.0.36", {"CVE-2026-118383", "CVE-2026-120815"}),
        (MONGODB, "8.2.2", {"CVE-2025-14847", "CVE-2026-9740"}),
        (MONGODB, "9.0.7", set()),
        (NATS, "2.9.10", {"CVE-2025-30215", "CVE-2023-47090", "GHSA-9983-vrx2-fg9c"}),
        (NATS, "2.10.26", {"CVE-2025-30215", "GHSA-9983-vrx2-fg9c"}),
        (NATS, "2.11.0", {"CVE-2025-30215", "GHSA-9983-vrx2-fg9c"}),
        (NATS, "v2.12.5-RC.1", {"GHSA-9983-vrx2-fg9c"}),
        (NATS, "2.12.6", set()),
        (NATS, "2.12", {"GHSA-9983-vrx2-fg9c"}),
        (NATS, "unknown", set()),
        (NATS, "", set()),
    ],
)
def test_a_version_has_the_holes_of_its_series(server: str, version: str, expected: set[str]) -> None:
    assert {hole.id for hole in holes_of(server, version)} == expected


@pytest.mark.parametrize(("server", "version"), [(server, one) for server, least in LEAST.items() for one in least])
def test_the_least_versions_that_are_named_have_none(server: str, version: str) -> None:
    assert holes_of(server, version) == []


def test_each_hole_names_where_it_was_published() -> None:
    assert all(hole.source.startswith("https://") and hole.what for hole in HOLES)
    assert len({hole.id for hole in HOLES}) == len(HOLES)
    assert {hole.id for hole in HOLES if hole.server == NATS} >= CLOSED_BY_RIGHTS


@pytest.fixture(autouse=True)
def fresh() -> None:
    """As a process that has told nothing yet."""
    holes._warn.cache_clear()
    holes._tell_closed.cache_clear()


class Compressing(MongoServer):
    def command(self) -> list[str]:
        return [word for word in super().command() if word not in NOT_COMPRESSING]


async def told_by_mongodb(url: str) -> list[dict[str, Any]]:
    with capture_logs() as logs:
        for _ in range(2):
            async with connected(url, "assay_test", service="test") as database:
                await database["things"].insert_one({"text": "x" * 10_000})
                assert await database["things"].find_one()
    return [dict(entry) for entry in logs if entry["event"] in {WARNING, CLOSED}]


async def test_services_see_whether_mongodb_compresses(tmp_path: Path) -> None:
    with running(MongoServer(tmp_path / "ours", free_port()), tmp_path / "log") as server:
        url = server.url
        told = await told_by_mongodb(url)
    assert [entry for entry in told if entry["event"] == WARNING and "14847" in entry["hole"]] == []
    if not told:
        pytest.skip("the mongod here has no known hole")
    assert [entry["hole"] for entry in told].count("CVE-2025-14847") <= 1
    with running(Compressing(tmp_path / "other", free_port()), tmp_path / "log") as server:
        url = server.url
        warned = [entry for entry in await told_by_mongodb(url) if entry["event"] == WARNING]
    if any(entry["hole"] == "CVE-2025-14847" for entry in told):
        assert [entry["hole"] for entry in warned] == ["CVE-2025-14847"]
        assert warned[0]["log_level"] == "warning"
        assert "8.0.37" in warned[0]["hint"]


def installed() -> str:
    told = subprocess.run([tools.nats_server(), "--version"], capture_output=True, text=True, check=True).stdout
    return told.split(" v")[1].strip()


@pytest.mark.parametrize(("closed", "event"), [(frozenset(), WARNING), (CLOSED_BY_RIGHTS, CLOSED)])
async def test_services_warn_of_holes_of_nats_server_unless_they_are_closed(
    fresh_nats_url: str, closed: frozenset[str], event: str
) -> None:
    with capture_logs() as logs:
        for _ in range(2):
            async with Bus(fresh_nats_url, service="test", closed_holes=closed).connected():
                pass
    version = installed()
    told = [(entry["event"], entry["hole"], entry["version"]) for entry in logs if entry["event"] in {WARNING, CLOSED}]
    assert told == [(event, hole.id, version) for hole in holes_of(NATS, version)]
