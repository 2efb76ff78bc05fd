"""A crash of the orchestrator, or of the fork server, at any moment: no task is lost, doubled or left behind."""

# Nothing else runs on the loop of a test, so it may block.
# ruff: noqa: ASYNC220, ASYNC240

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from services.orchestrator.ports import LaunchFailed, LaunchUnsettled, Phase
from services.orchestrator.runtimes.process import ProcessRuntime
from services.orchestrator.runtimes.task_folder import RUN, TaskFolder
from tests.contract.runtime_worlds import ProcessWorld, ended, look, marks, output, spec
from tests.support.until import until

ORCHESTRATOR = """
import asyncio, json, sys
from pathlib import Path
from tests.contract.runtime_worlds import ProcessWorld, spec

async def main():
    runtime = await ProcessWorld(Path(sys.argv[1])).open()
    for code in json.loads(sys.argv[2]):
        launched = await runtime.launch(spec(agent_code=code))
        print(json.dumps(dict(launched.handle)), flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


NOTHING = {"cgroups": [], "sandboxed": True, "server": [1, 1]}


async def test_tasks_survive_the_killing_of_their_orchestrator(
    sandboxes: ProcessRuntime, process_world: ProcessWorld
) -> None:
    codes = [
        "import time\ndef run(query):\n    time.sleep(1)\n    return 'long'\n",
        "def run(query):\n    return 'short'\n",
    ]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        ORCHESTRATOR,
        str(process_world.root),
        json.dumps(codes),
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert process.stdout
    handles = [json.loads(await process.stdout.readline()) for _ in codes]
    process.kill()
    await process.wait()
    answers = []
    for handle in handles:
        assert (await ended(sandboxes, handle)).exit_code == 0
        answers.append(json.loads(await sandboxes.collect(handle) or b"")["response"])
        await sandboxes.cleanup(handle)
    assert answers == ["long", "short"]


async def test_a_task_that_was_started_and_cannot_be_looked_at_is_found_by_the_next_launch(
    sandboxes: ProcessRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It neither runs on alone nor twice."""
    task = spec(agent_code="import time\ndef run(query):\n    print('once', flush=True)\n    time.sleep(2)\n")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    begin = sandboxes._begin_watch

    def without_descriptors(*arguments: Any) -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
        try:
            begin(*arguments)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    monkeypatch.setattr(sandboxes, "_begin_watch", without_descriptors)
    with pytest.raises(LaunchUnsettled, match="Too many open files"):
        await sandboxes.launch(task)
    monkeypatch.undo()
    launched = await sandboxes.launch(task)
    assert (await ended(sandboxes, launched.handle)).exit_code == 0
    assert [line["text"] for line in output(launched) if line.get("text")].count("once") == 1
    await sandboxes.cleanup(launched.handle)


async def test_two_orchestrators_launch_one_task(sandboxes: ProcessRuntime, process_world: ProcessWorld) -> None:
    other = await process_world.open()
    task = spec(agent_code="def run(query):\n    print('once')\n")
    first, second = await asyncio.gather(sandboxes.launch(task), other.launch(task))
    assert first == second
    assert (await ended(sandboxes, first.handle)).exit_code == (await ended(other, first.handle)).exit_code == 0
    assert marks(first) == ["running", "finished", "end"]
    await other.cleanup(first.handle)
    await other.aclose()
    await sandboxes.cleanup(first.handle)


async def test_a_crash_after_writing_the_context_is_healed_by_launching_again(sandboxes: ProcessRuntime) -> None:
    task = spec()
    folder = TaskFolder(f"{sandboxes.host.root}/tasks/{task.launch_token}")
    folder.create()
    Path(folder / f".{RUN.context}").write_text("{")  # half a context
    Path(folder / RUN.context).write_text("{}")
    handle = {"runtime": "process", "token": task.launch_token}
    assert (await look(sandboxes, handle)).phase is Phase.PENDING
    launched = await sandboxes.launch(task)
    assert launched.handle == handle
    assert (await ended(sandboxes, handle)).exit_code == 0
    await sandboxes.cleanup(handle)


async def test_a_process_that_died_before_it_became_the_sandbox_is_not_started_again(sandboxes: ProcessRuntime) -> None:
    task = spec()
    folder = TaskFolder(f"{sandboxes.host.root}/tasks/{task.launch_token}")
    folder.create()
    folder.write_context(RUN, {})
    with subprocess.Popen(["/bin/true"]) as gone:
        pass
    facts = {"pid": gone.pid, "start": 1, "boot": sandboxes.host.boot, **NOTHING}
    Path(folder / RUN.record).symlink_to(json.dumps(facts))
    launched = await sandboxes.launch(task)
    sighting = await look(sandboxes, launched.handle)
    assert (sighting.phase, sighting.exit_code, sighting.stop_code) == (Phase.STOPPED, None, "Killed")
    assert not output(launched)
    await sandboxes.cleanup(launched.handle)


async def test_after_a_restart_of_the_machine_a_task_is_missing(sandboxes: ProcessRuntime) -> None:
    task = spec()
    folder = TaskFolder(f"{sandboxes.host.root}/tasks/{task.launch_token}")
    folder.create()
    facts = {"pid": os.getpid(), "start": 1, "boot": "another", **NOTHING}
    Path(folder / RUN.record).symlink_to(json.dumps(facts))
    handle = {"runtime": "process", "token": task.launch_token}
    assert (await look(sandboxes, handle)).phase is Phase.MISSING
    await sandboxes.stop(handle, grace_s=0)
    await sandboxes.cleanup(handle)
    assert os.getpid()  # a process that has our pid after the restart is not the task, and lives


async def test_a_task_that_ended_before_the_restart_of_the_machine_has_stopped(sandboxes: ProcessRuntime) -> None:
    launched = await sandboxes.launch(spec())
    await ended(sandboxes, launched.handle)
    record = Path(sandboxes.host.root, "tasks", str(launched.handle["token"]), RUN.record)
    facts = json.loads(str(record.readlink()))
    record.unlink()
    record.symlink_to(json.dumps({**facts, "boot": "another", "cgroups": []}))
    sandboxes._tasks.clear()
    assert (await look(sandboxes, launched.handle)).exit_code == 0
    assert await sandboxes.collect(launched.handle)
    record.unlink()
    record.symlink_to(json.dumps(facts))
    await sandboxes.cleanup(launched.handle)


async def test_a_dead_fork_server_is_replaced(sandboxes: ProcessRuntime) -> None:
    running = await sandboxes.launch(spec(agent_code="import time\ndef run(query):\n    time.sleep(0.5)\n"))
    server = _fork_server(sandboxes, running.handle)
    os.kill(server, signal.SIGKILL)
    tasks = []
    for _ in range(20):
        try:
            tasks.append(await sandboxes.launch(spec()))
        except LaunchFailed:  # its end was not yet noticed: the orchestrator tries again
            continue
        if len(tasks) == 3:
            break
    assert len(tasks) == 3
    for task in (running, *tasks):
        assert (await ended(sandboxes, task.handle)).exit_code == 0
        await sandboxes.cleanup(task.handle)
    await sandboxes.prune(outputs_s=3600, environments_s=3600)
    assert sandboxes.host.groups
    parents = map(Path, sandboxes.host.groups.folders())
    assert not [group for parent in parents for group in parent.glob(f"{server}-*")]


async def test_a_killed_sandbox_leaves_nothing_running(sandboxes: ProcessRuntime) -> None:
    """Somebody kills bubblewrap from outside: what it watched over must not run on unwatched."""
    task = await sandboxes.launch(
        spec(agent_code="import time\ndef run(query):\n    print('up')\n    time.sleep(60)\n")
    )
    await until(lambda: any(line.get("text") == "up" for line in output(task)))
    record = TaskFolder(f"{sandboxes.host.root}/tasks/{task.handle['token']}").record(RUN)
    assert record
    os.kill(record.process.pid, signal.SIGKILL)
    sighting = await ended(sandboxes, task.handle)
    assert (sighting.exit_code, sighting.stop_code) == (None, "Killed")
    await until(lambda: not any(Path(group, "cgroup.procs").read_text() for group in record.cgroups))
    await sandboxes.cleanup(task.handle)


async def test_the_context_is_on_disk_only_until_the_task_has_it(sandboxes: ProcessRuntime) -> None:
    task = await sandboxes.launch(spec(env={"MODEL_KEY": "s3cret-value"}))
    await ended(sandboxes, task.handle)
    folder = Path(sandboxes.host.root, "tasks", str(task.handle["token"]))
    assert (folder.stat().st_mode & 0o777) == 0o700
    assert not [path.name for path in folder.iterdir() if path.is_file() and b"s3cret-value" in path.read_bytes()]
    await sandboxes.cleanup(task.handle)
    assert [path.name for path in folder.iterdir()] == ["output.jsonl"]


async def test_a_cleaned_task_is_not_started_again(sandboxes: ProcessRuntime) -> None:
    task = spec()
    launched = await sandboxes.launch(task)
    await ended(sandboxes, launched.handle)
    await sandboxes.cleanup(launched.handle)
    before = output(launched)
    assert await sandboxes.launch(task) == launched
    assert (await look(sandboxes, launched.handle)).phase is Phase.MISSING
    assert output(launched) == before


async def test_pruning_takes_only_old_outputs_of_cleaned_tasks(sandboxes: ProcessRuntime) -> None:
    cleaned, kept = await sandboxes.launch(spec()), await sandboxes.launch(spec())
    await ended(sandboxes, cleaned.handle)
    await ended(sandboxes, kept.handle)
    await sandboxes.cleanup(cleaned.handle)
    await sandboxes.prune(outputs_s=60, environments_s=60)
    assert output(cleaned)
    await sandboxes.prune(outputs_s=-1, environments_s=60)
    assert not output(cleaned)
    assert (await look(sandboxes, kept.handle)).exit_code == 0
    await sandboxes.cleanup(kept.handle)


@pytest.mark.parametrize("token", ["", "../elsewhere", "a/b", "x" * 200])
async def test_a_token_cannot_name_another_folder(sandboxes: ProcessRuntime, token: str) -> None:
    with pytest.raises(LaunchFailed):
        await sandboxes.launch(spec(launch_token=token))


def _fork_server(runtime: ProcessRuntime, handle: object) -> int:
    from services.orchestrator.runtimes.processes import parent_of

    assert isinstance(handle, dict)
    record = TaskFolder(f"{runtime.host.root}/tasks/{handle['token']}").record(RUN)
    assert record
    parent = parent_of(record.process.pid)
    assert parent
    return parent
