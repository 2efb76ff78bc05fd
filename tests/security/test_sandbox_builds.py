"""What a package tries that is built from source: more disk than there is for it, and what other users installed."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from services.orchestrator.diagnosis import Evidence, diagnose
from services.orchestrator.ports import LaunchFailed
from services.orchestrator.runtimes import disk_use, disk_watch
from services.orchestrator.runtimes.caches import Caches, Full
from services.orchestrator.runtimes.host import Unfit
from services.orchestrator.runtimes.options import Isolation, ProcessOptions
from services.orchestrator.runtimes.ownership import take_over
from services.orchestrator.runtimes.process import ProcessRuntime
from services.orchestrator.runtimes.removal import remove_tree
from shared.domain.failure import FailureCode
from shared.ids import UserId
from tests.contract.package_index import Index, serving, source, wheel
from tests.contract.runtime_worlds import answer, ended, spec

_FILL = (
    "import time; file = open({path!r}, 'wb'); {hide}[file.write(os.urandom(1 << 20)) for _ in range(100)]; "
    "file.flush(); time.sleep(60)"
)
FILLS = {
    "environment": _FILL.format(path="/env/full", hide=""),
    "cache": _FILL.format(path="/cache/full", hide=""),
    "hidden": _FILL.format(path="/env/full", hide="os.unlink('/env/full'); "),
}

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can choose users")


@pytest.fixture
def index() -> Iterator[Index]:
    index = Index()
    index.offer(wheel("greeting", "1.0", {"greeting.py": "TEXT = 'one'\n"}))
    for name, deed in FILLS.items():
        index.offer(source(name, "1.0", deed))
    with serving(index):
        yield index


@pytest.fixture
async def runtime(tmp_path: Path, index: Index) -> AsyncIterator[ProcessRuntime]:
    options = ProcessOptions(
        root=tmp_path / "tasks",
        isolation=Isolation.REQUIRED,
        build_env={"UV_DEFAULT_INDEX": index.url},
        build_disk_mib=64,
    )
    try:
        runtime = await ProcessRuntime.open(options)
    except Unfit as unfit:
        pytest.skip(str(unfit))
    if runtime.host.uv is None:
        pytest.skip("uv is not installed")
    yield runtime
    await runtime.aclose()


@pytest.mark.parametrize("name", FILLS)
async def test_a_build_that_fills_the_disk_is_ended_and_told_so(
    runtime: ProcessRuntime, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In its environment, in its cache, and in a file that has no name any more."""
    monkeypatch.setattr(disk_watch, "_LOOK_S", 0.1)
    task = await runtime.launch(spec(requirements=(name,)))
    sighting = await ended(runtime, task.handle, timeout=40)
    failure = diagnose(Evidence(attempt=1, timeout_s=30, sighting=sighting))
    assert failure is not None
    assert failure.code is FailureCode.DEPENDENCY_INSTALL_FAILED
    assert "they took more than the 64 MiB of disk" in failure.message
    assert not failure.retryable
    await runtime.cleanup(task.handle)


@as_root
async def test_an_environment_is_for_the_tests_that_name_it(runtime: ProcessRuntime) -> None:
    code = "import greeting\ndef run(query):\n    return greeting.TEXT\n"
    for user in ("alice", "bob"):  # who share it
        task = replace(spec(agent_code=code, requirements=("greeting",)), user_id=UserId(user))
        assert await answer(runtime, task, timeout=40) == "one"
    (environment,) = [path for path in (runtime.host.root / "environments").iterdir() if not path.name.startswith(".")]
    facts = environment.stat()
    assert (facts.st_mode & 0o777, facts.st_uid) == (0o750, 0)
    options = runtime.host.options
    assert facts.st_gid >= options.uid_base + 2 * options.uid_count  # of no user, and of no cache
    owners = {path.lstat().st_uid for path in environment.rglob("*")}
    assert owners == {0}  # whoever built it can change it no more


@as_root
async def test_each_user_has_a_cache_that_no_other_can_reach(runtime: ProcessRuntime) -> None:
    caches = runtime.host.caches
    alice, bob = caches.of("alice"), caches.of("bob")
    assert alice.path != bob.path
    assert alice.uid != bob.uid
    assert [cache.path.stat().st_mode & 0o777 for cache in (alice, bob)] == [0o700, 0o700]
    assert [cache.path.stat().st_uid for cache in (alice, bob)] == [alice.uid, bob.uid]
    assert caches.of("alice") == alice
    task = replace(spec(requirements=("greeting",)), user_id=UserId("alice"))
    await answer(runtime, task, timeout=40)
    assert any(alice.path.iterdir())
    assert not any(bob.path.iterdir())


@as_root
def test_more_users_than_ids_are_refused_and_not_doubled(tmp_path: Path) -> None:
    caches = Caches(tmp_path, range(1_999_000_000, 1_999_000_002))
    assert {caches.of(name).uid for name in ("alice", "bob")} == {1_999_000_000, 1_999_000_001}
    with pytest.raises(Full, match="all 2 user ids"):
        caches.of("carol")


@as_root
async def test_who_gets_no_cache_is_told_why(runtime: ProcessRuntime) -> None:
    options = replace(runtime.host.options, uid_count=1)
    full = ProcessRuntime(replace(runtime.host, options=options))
    for user in ("alice", "bob"):
        task = replace(spec(requirements=("greeting",)), user_id=UserId(user))
        if user == "alice":
            await answer(full, task, timeout=40)
            continue
        with pytest.raises(LaunchFailed, match="all 1 user ids for download caches are in use"):
            await full.launch(replace(task, requirements=("greeting==1.0",)))


def test_a_cache_that_has_grown_too_large_goes_when_nobody_uses_it(tmp_path: Path) -> None:
    caches = Caches(tmp_path, None)
    for name in ("alice", "bob"):
        (caches.of(name).path / "wheel").write_bytes(bytes(1 << (20 if name == "alice" else 4)))
    caches.prune(older_than_s=3600, larger_than=1 << 19, unused_for_s=3600)
    assert len(list(tmp_path.iterdir())) == 2
    caches.prune(older_than_s=3600, larger_than=1 << 19, unused_for_s=-1)
    assert [path.name for path in tmp_path.iterdir()] == [caches.of("bob").path.name]


@as_root
def test_what_is_taken_over_leads_nowhere(tmp_path: Path) -> None:
    """Links are taken over as links, files lose setuid, and no depth is too deep."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").touch()
    os.chown(outside / "secret", 1_999_000_000, 1_999_000_000)
    built = tmp_path / "built"
    built.mkdir()
    (built / "link").symlink_to(outside)
    (built / "file").touch()
    os.chown(built / "file", 1_999_000_001, 1_999_000_001)
    (built / "file").chmod(0o4755)
    here = os.open(built, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("deep", dir_fd=here)
        deeper = os.open("deep", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = deeper
    os.chown(here, 1_999_000_001, 1_999_000_001)
    take_over(built, 1_999_000_002)
    assert (os.fstat(here).st_uid, os.fstat(here).st_gid) == (0, 1_999_000_002)
    os.close(here)
    assert (outside / "secret").stat().st_uid == 1_999_000_000
    assert (built / "file").stat().st_mode & 0o7777 == 0o755
    remove_tree(built)  # pytest cannot


def test_a_file_counts_once_whatever_its_names_and_a_sparse_one_for_what_it_takes(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(os.urandom(1 << 20))
    (tmp_path / "again").hardlink_to(tmp_path / "file")
    with (tmp_path / "sparse").open("wb") as sparse:
        sparse.truncate(1 << 30)
    (tmp_path / "out").symlink_to("/usr")
    assert 1 << 20 <= disk_use.used([tmp_path], ()) < 1 << 21


@pytest.mark.slow
async def test_common_wheels_with_native_code_run_under_the_filter(tmp_path: Path) -> None:
    """Thread pools of BLAS, files of pandas, and a gRPC server with its own event engine: from the real index."""
    runtime = await ProcessRuntime.open(
        ProcessOptions(
            root=tmp_path / "tasks", isolation=Isolation.REQUIRED, cpu_quota=False, build_env=_index_in_use()
        )
    )
    if runtime.host.uv is None:
        pytest.skip("uv is not installed")
    code = """
        from concurrent import futures
        import grpc, numpy, pandas
        def run(query):
            matrix = numpy.random.rand(300, 300)
            pandas.DataFrame({"a": range(1000)}).to_csv("/work/table.csv")
            server = grpc.server(futures.ThreadPoolExecutor(2))
            port = server.add_insecure_port("127.0.0.1:0")
            server.start()
            grpc.channel_ready_future(grpc.insecure_channel(f"127.0.0.1:{port}")).result(timeout=10)
            server.stop(0)
            return [round(float((numpy.linalg.inv(matrix) @ matrix).trace())), len(pandas.read_csv("/work/table.csv"))]
    """
    task = spec(agent_code=code, requirements=("numpy", "pandas", "grpcio"), memory_mib=1024, timeout_s=120)
    assert await answer(runtime, task, timeout=300) == [300, 1000]
    await runtime.aclose()


def _index_in_use() -> dict[str, str]:
    """What says here where packages come from."""
    names = ("UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL", "HTTPS_PROXY")
    return {name: os.environ[name] for name in names if name in os.environ}
