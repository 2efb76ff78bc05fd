"""Limits that hold: memory, processes, and the end itself, whatever an agent does against it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from services.orchestrator.runtimes.host import Unfit
from services.orchestrator.runtimes.options import Isolation, ProcessOptions
from services.orchestrator.runtimes.process import ProcessRuntime
from services.orchestrator.settings import OrchestratorSettings
from shared.errors import AssayError
from tests.contract.runtime_worlds import answer, ended, output, spec
from tests.support.until import until

EAT = "bytearray(b'x') * (1 << 30)"


async def test_a_gigabyte_does_not_fit_into_256_mib(sandboxes: ProcessRuntime) -> None:
    """The agent is killed, the harness survives and reports that, and the sighting says why."""
    task = await sandboxes.launch(spec(agent_code=f"def run(query):\n    return len({EAT})\n", memory_mib=256))
    sighting = await ended(sandboxes, task.handle)
    assert sighting.out_of_memory
    result = json.loads(await sandboxes.collect(task.handle) or b"")
    assert (result["code"], result["signal"]) == ("AGENT_EXITED", 9)
    await sandboxes.cleanup(task.handle)


async def test_memory_of_children_counts(sandboxes: ProcessRuntime) -> None:
    code = """
        import os, time
        def run(query):
            eaters = []
            for _ in range(4):
                pid = os.fork()
                if pid == 0:
                    eaten = bytearray(b"x") * (100 << 20)
                    time.sleep(1)
                    os._exit(0)
                eaters.append(pid)
            ends = [os.waitpid(eater, 0)[1] for eater in eaters]
            assert not any(ends), ends
    """
    task = await sandboxes.launch(spec(agent_code=code, memory_mib=256))
    assert (await ended(sandboxes, task.handle)).out_of_memory
    await sandboxes.cleanup(task.handle)


async def test_files_in_memory_count(sandboxes: ProcessRuntime) -> None:
    code = """
        def run(query):
            for folder in ("/work", "/tmp", "/dev/shm"):
                with open(folder + "/big", "wb") as file:
                    for _ in range(100):
                        file.write(bytes(1 << 20))
    """
    task = await sandboxes.launch(spec(agent_code=code, memory_mib=256))
    assert (await ended(sandboxes, task.handle)).out_of_memory
    await sandboxes.cleanup(task.handle)


async def test_what_connections_hold_is_bounded(sandboxes: ProcessRuntime) -> None:
    """Bytes that were sent and that nobody reads are the kernel's memory. Either they count as the test's, or there is
    a bound of its own: above it a sender waits."""
    code = """
        import socket
        def run(query):
            listener = socket.create_server(("127.0.0.1", 0), backlog=8)
            kept, sent = [], 0
            for _ in range(400):
                sender = socket.create_connection(listener.getsockname())
                kept += [sender, listener.accept()[0]]
                sender.setblocking(False)
                try:
                    while sent < 400 << 20:
                        sent += sender.send(bytes(1 << 16))
                except BlockingIOError:
                    pass
            return sent >> 20
    """
    task = await sandboxes.launch(spec(agent_code=code, memory_mib=64, network=False))
    sighting = await ended(sandboxes, task.handle, timeout=30)
    if not sighting.out_of_memory:
        assert json.loads(await sandboxes.collect(task.handle) or b"")["response"] < 100
    await sandboxes.cleanup(task.handle)


async def test_a_modest_agent_is_not_out_of_memory(sandboxes: ProcessRuntime) -> None:
    task = await sandboxes.launch(spec(agent_code="def run(query):\n    raise MemoryError\n"))
    sighting = await ended(sandboxes, task.handle)
    assert (sighting.exit_code, sighting.out_of_memory) == (1, False)
    await sandboxes.cleanup(task.handle)


async def test_a_fork_bomb_is_held_and_cleared(sandboxes: ProcessRuntime) -> None:
    code = """
        import os, time
        def run(query):
            forks = 0
            try:
                while True:
                    if os.fork() == 0:
                        time.sleep(60)
                        os._exit(0)
                    forks += 1
            except OSError:
                return forks
    """
    forks = await answer(sandboxes, spec(agent_code=code))
    assert 50 <= forks <= 64


async def test_a_fork_bomb_that_never_answers_can_be_stopped(sandboxes: ProcessRuntime) -> None:
    code = """
        import os, signal
        def run(query):
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            print("go", flush=True)
            while True:
                try:
                    os.fork()
                except OSError:
                    pass
    """
    task = await sandboxes.launch(spec(agent_code=code))
    await until(lambda: any(line.get("text") == "go" for line in output(task)))
    groups = _groups(sandboxes, task.handle["token"])
    await sandboxes.stop(task.handle, grace_s=0)
    await ended(sandboxes, task.handle, timeout=5)
    await until(lambda: not _processes(groups))
    await sandboxes.cleanup(task.handle)


async def test_nothing_outlives_the_end(sandboxes: ProcessRuntime) -> None:
    """Daemons, in sessions of their own and deaf to SIGTERM, go with the task, and its cgroup after it."""
    code = """
        import os, signal, time
        def run(query):
            for _ in range(3):
                if os.fork() == 0:
                    os.setsid()
                    if os.fork() == 0:
                        signal.signal(signal.SIGTERM, signal.SIG_IGN)
                        signal.signal(signal.SIGHUP, signal.SIG_IGN)
                        time.sleep(60)
                    os._exit(0)
            return "done"
    """
    task = await sandboxes.launch(spec(agent_code=code))
    groups = _groups(sandboxes, task.handle["token"])
    assert groups
    assert (await ended(sandboxes, task.handle)).exit_code == 0
    await until(lambda: not _processes(groups), timeout=2)
    await sandboxes.cleanup(task.handle)
    await until(lambda: not [group for group in groups if Path(group).exists()])


async def test_an_agent_deaf_to_sigterm_is_ended_by_the_harness(sandboxes: ProcessRuntime) -> None:
    code = """
        import signal, time
        def run(query):
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            print("deaf", flush=True)
            time.sleep(60)
    """
    task = await sandboxes.launch(spec(agent_code=code))
    await until(lambda: any(line.get("text") == "deaf" for line in output(task)))
    await sandboxes.stop(task.handle, grace_s=10)
    assert (await ended(sandboxes, task.handle, timeout=5)).exit_code == 143
    assert json.loads(await sandboxes.collect(task.handle) or b"")["code"] == "CANCELLED"
    await sandboxes.cleanup(task.handle)


async def test_after_the_grace_everything_is_killed(sandboxes: ProcessRuntime) -> None:
    code = """
        import signal, time
        def run(query):
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            print("deaf", flush=True)
            time.sleep(60)
    """
    task = await sandboxes.launch(spec(agent_code=code))
    await until(lambda: any(line.get("text") == "deaf" for line in output(task)))
    await sandboxes.stop(task.handle, grace_s=0.2)
    sighting = await ended(sandboxes, task.handle, timeout=2)
    assert (sighting.exit_code, sighting.stop_code, sighting.stop_reason) == (137, "Stopped", "killed by SIGKILL")
    await sandboxes.cleanup(task.handle)


async def test_an_agent_cannot_end_the_harness(sandboxes: ProcessRuntime) -> None:
    code = """
        import os, signal
        def run(query):
            for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGSTOP, signal.SIGINT, signal.SIGSEGV):
                try:
                    os.kill(1, number)
                except OSError:
                    pass
            return "still here"
    """
    assert await answer(sandboxes, spec(agent_code=code)) == "still here"


async def test_a_hundred_tasks_leave_nothing_open(sandboxes: ProcessRuntime) -> None:
    await answer(sandboxes, spec())
    before = _open_files()
    for _ in range(10):
        tasks = [await sandboxes.launch(spec()) for _ in range(10)]
        for task in tasks:
            await ended(sandboxes, task.handle)
            await sandboxes.cleanup(task.handle)
    assert _open_files() == before
    assert not sandboxes._tasks


async def test_without_cgroups_memory_is_limited_per_process(tmp_path: Path) -> None:
    runtime = await ProcessRuntime.open(ProcessOptions(root=tmp_path / "tasks", cgroups=False))
    if runtime.host.bwrap is None:
        pytest.skip("no sandbox")
    task = await runtime.launch(spec(agent_code=f"def run(query):\n    return len({EAT})\n", memory_mib=256))
    sighting = await ended(runtime, task.handle)
    assert (sighting.exit_code, sighting.out_of_memory) == (1, False)
    assert json.loads(await runtime.collect(task.handle) or b"")["error"]["type"] == "MemoryError"
    await runtime.cleanup(task.handle)
    await runtime.aclose()


async def test_where_isolation_is_required_a_machine_without_it_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unfit, match="bubblewrap is not installed") as refused:
        await ProcessRuntime.open(ProcessOptions(root=tmp_path / "tasks", isolation=Isolation.REQUIRED))
    assert "set ASSAY_PROCESS_ISOLATION=auto to run them without" in str(refused.value)
    assert isinstance(refused.value, AssayError)  # which a service ends with in one line


def test_isolation_is_required_unless_it_is_said_otherwise() -> None:
    assert OrchestratorSettings.model_fields["process_isolation"].default == "required"


def _open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def _groups(runtime: ProcessRuntime, token: object) -> tuple[str, ...]:
    from services.orchestrator.runtimes.steps import last_started
    from services.orchestrator.runtimes.task_folder import TaskFolder

    last = last_started(TaskFolder(f"{runtime.host.root}/tasks/{token}"))
    assert last is not None
    return last[1].cgroups


def _processes(groups: tuple[str, ...]) -> list[str]:
    return [pid for group in groups if Path(group).exists() for pid in Path(group, "cgroup.procs").read_text().split()]
