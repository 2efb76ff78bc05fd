"""Requirements: installed once, kept for the next, and never by code that could touch what others use."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from services.orchestrator.diagnosis import Evidence, StopCause, judge
from services.orchestrator.harness_result import read_result
from services.orchestrator.ports import LogLimits, Phase
from services.orchestrator.runtimes.host import Unfit
from services.orchestrator.runtimes.options import Isolation, ProcessOptions
from services.orchestrator.runtimes.process import ProcessRuntime
from shared.domain.failure import Stage
from shared.domain.lifecycle import State
from tests.contract.package_index import Index, serving, source, wheel
from tests.contract.runtime_worlds import answer, ended, look, marks, output, spec
from tests.support.until import until

# More folders inside one another than Python has stack, in both places that a build may write to.
DIG = "[(os.chdir(place), [(os.mkdir('a'), os.chdir('a')) for _ in range(1500)]) for place in ('/cache', '/env')]"
GREET = "import greeting\ndef run(query):\n    print('hello')\n    return greeting.TEXT\n"


@pytest.fixture
def index() -> Iterator[Index]:
    index = Index()
    index.offer(wheel("greeting", "1.0", {"greeting.py": "TEXT = 'one'\n"}))
    index.offer(wheel("greeting", "2.0", {"greeting.py": "TEXT = 'two'\n"}))
    index.offer(source("homemade", "1.0"))
    index.offer(source("compiled", "1.0", tag=f"py3-none-linux_{os.uname().machine}"))
    index.offer(source("burrow", "1.0", DIG))
    with serving(index):
        yield index


@pytest.fixture
async def runtime(tmp_path: Path, index: Index) -> AsyncIterator[ProcessRuntime]:
    try:
        runtime = await ProcessRuntime.open(_options(tmp_path, index))
    except Unfit as unfit:
        pytest.skip(str(unfit))
    if runtime.host.uv is None:
        pytest.skip("uv is not installed")
    yield runtime
    await runtime.aclose()


async def test_requirements_are_installed_and_their_lines_come_first(runtime: ProcessRuntime) -> None:
    task = await runtime.launch(spec(agent_code=GREET, requirements=("greeting==1.0",), first_seq=1001))
    assert (await ended(runtime, task.handle, timeout=30)).exit_code == 0
    assert json.loads(await runtime.collect(task.handle) or b"")["response"] == "one"
    assert marks(task) == ["building", "running", "finished", "end"]
    lines = [entry for entry in output(task) if "seq" in entry]
    assert [line["seq"] for line in lines] == list(range(1001, 1001 + len(lines)))
    assert {line["stream"] for line in lines[:-1]} == {"build"}
    assert (lines[-1]["stream"], lines[-1]["text"]) == ("stdout", "hello")
    await runtime.cleanup(task.handle)


async def test_the_output_is_cut_at_its_limits_after_lines_of_the_installer(runtime: ProcessRuntime) -> None:
    code = GREET.replace("print('hello')", "for n in range(9): print('line', n)")
    limits = LogLimits(lines=5, size=1 << 20)
    task = await runtime.launch(spec(agent_code=code, requirements=("greeting==1.0",), log_limits=limits))
    assert (await ended(runtime, task.handle, timeout=30)).exit_code == 0
    assert json.loads(await runtime.collect(task.handle) or b"")["response"] == "one"
    texts = [entry["text"] for entry in output(task) if entry.get("stream") in {"stdout", "system"}]
    assert texts[:5] == [f"line {n}" for n in range(5)]
    assert [text.partition(":")[0] for text in texts[5:]] == ["Too many lines of output"]
    assert "truncated" in marks(task)
    await runtime.cleanup(task.handle)


async def test_the_second_test_starts_without_installing(runtime: ProcessRuntime, index: Index) -> None:
    assert await answer(runtime, spec(agent_code=GREET, requirements=("greeting==1.0",)), timeout=30) == "one"
    again = await runtime.launch(spec(agent_code=GREET, requirements=("  Greeting == 1.0  # the old one",)))
    assert (await ended(runtime, again.handle)).exit_code == 0
    assert marks(again) == ["running", "finished", "end"]
    assert index.fetched["greeting-1.0-py3-none-any.whl"] <= 2  # metadata may be read from the file
    await runtime.cleanup(again.handle)
    assert await answer(runtime, spec(agent_code=GREET, requirements=("greeting",)), timeout=30) == "two"


async def test_the_result_says_what_is_installed_whether_it_was_fresh_or_kept(runtime: ProcessRuntime) -> None:
    for _ in range(2):
        task = await runtime.launch(spec(agent_code=GREET, requirements=("greeting",)))
        await ended(runtime, task.handle, timeout=30)
        assert json.loads(await runtime.collect(task.handle) or b"")["resolved"] == ["greeting==2.0"]
        await runtime.cleanup(task.handle)


async def test_the_result_says_what_was_compiled_whether_it_was_just_now_or_earlier(runtime: ProcessRuntime) -> None:
    code = "import compiled, greeting, homemade\ndef run(query):\n    return 'ok'\n"
    for _ in range(2):
        task = await runtime.launch(spec(agent_code=code, requirements=("greeting", "homemade", "compiled")))
        await ended(runtime, task.handle, timeout=40)
        result = json.loads(await runtime.collect(task.handle) or b"")
        assert result["resolved"] == ["compiled==1.0", "greeting==2.0", "homemade==1.0"]
        assert result["built_from_source"] == ["compiled==1.0"]
        await runtime.cleanup(task.handle)


async def test_a_run_cannot_change_the_environment(runtime: ProcessRuntime) -> None:
    code = """
        import greeting, pathlib, sys
        def run(query):
            try:
                pathlib.Path(greeting.__file__).write_text("TEXT = 'mine'")
            except OSError as error:
                return [type(error).__name__, error.errno, sys.prefix]
    """
    assert await answer(runtime, spec(agent_code=code, requirements=("greeting",)), timeout=30) == [
        "OSError",
        30,
        "/env",
    ]


async def test_requirements_that_cannot_be_installed_end_the_task_with_the_reason(runtime: ProcessRuntime) -> None:
    task = await runtime.launch(spec(requirements=("no-such-thing-at-all",)))
    sighting = await ended(runtime, task.handle, timeout=30)
    assert (sighting.phase, sighting.exit_code) == (Phase.STOPPED, 1)
    result = json.loads(await runtime.collect(task.handle) or b"")
    assert result["code"] == "DEPENDENCY_INSTALL_FAILED"
    assert "no-such-thing-at-all" in result["error"]["message"]
    assert marks(task) == ["building", "end"]
    await runtime.cleanup(task.handle)
    assert not _environments(runtime)


async def test_two_tests_with_the_same_requirements_install_once(runtime: ProcessRuntime) -> None:
    wanted = ("greeting==2.0",)
    tasks = [await runtime.launch(spec(agent_code=GREET, requirements=wanted)) for _ in range(4)]
    for task in tasks:
        assert (await ended(runtime, task.handle, timeout=30)).exit_code == 0
    assert sorted(len(marks(task)) for task in tasks) == [3, 3, 3, 4]
    assert len(_environments(runtime)) == 1
    for task in tasks:
        await runtime.cleanup(task.handle)


async def test_two_orchestrators_with_the_same_requirements_agree(
    runtime: ProcessRuntime, tmp_path: Path, index: Index
) -> None:
    other = await ProcessRuntime.open(_options(tmp_path, index))
    first, second = await asyncio.gather(
        runtime.launch(spec(agent_code=GREET, requirements=("greeting",))),
        other.launch(spec(agent_code=GREET, requirements=("greeting",))),
    )
    ends = await asyncio.gather(ended(runtime, first.handle, timeout=30), ended(other, second.handle, timeout=30))
    assert [end.exit_code for end in ends] == [0, 0]
    assert len(_environments(runtime)) == 1
    await runtime.cleanup(first.handle)
    await other.cleanup(second.handle)
    await other.aclose()


async def test_those_who_wait_for_a_failed_installation_try_themselves(runtime: ProcessRuntime) -> None:
    tasks = [await runtime.launch(spec(requirements=("no-such-thing-at-all",))) for _ in range(3)]
    for task in tasks:
        await ended(runtime, task.handle, timeout=30)
        result = json.loads(await runtime.collect(task.handle) or b"")
        assert (result["code"], result["test_id"][:4]) == ("DEPENDENCY_INSTALL_FAILED", "tst_")
        await runtime.cleanup(task.handle)


async def test_the_watcher_hears_when_the_next_step_is_due(runtime: ProcessRuntime) -> None:
    """Nobody polls here: an inspection after each call is all that an installation and its waiting neighbours need."""
    ends: set[object] = set()
    due: asyncio.Queue[object] = asyncio.Queue()
    runtime.watch(due.put_nowait)
    tasks = [await runtime.launch(spec(agent_code=GREET, requirements=("greeting",))) for _ in range(3)]
    async with asyncio.timeout(30):
        while len(ends) < 3:
            handle = await due.get()
            assert isinstance(handle, dict)
            if (await look(runtime, handle)).phase is Phase.STOPPED:
                ends.add(handle["token"])
    assert ends == {task.handle["token"] for task in tasks}
    for task in tasks:
        await runtime.cleanup(task.handle)


async def test_a_new_runtime_takes_the_step_from_installing_to_running(
    runtime: ProcessRuntime, tmp_path: Path, index: Index
) -> None:
    task = await runtime.launch(spec(agent_code=GREET, requirements=("greeting",)))
    await runtime.aclose()
    await until(lambda: "wheels-result.json" in _files(runtime, task.handle["token"]), timeout=20)
    later = await ProcessRuntime.open(_options(tmp_path, index))
    assert (await ended(later, task.handle, timeout=20)).exit_code == 0
    assert marks(task) == ["building", "running", "finished", "end"]
    await later.cleanup(task.handle)
    await later.aclose()


async def test_a_stop_while_installing_ends_the_task(runtime: ProcessRuntime) -> None:
    task = await runtime.launch(spec(agent_code=GREET, requirements=("greeting",)))
    await runtime.stop(task.handle, grace_s=5)
    sighting = await ended(runtime, task.handle, timeout=10)
    assert sighting.phase is Phase.STOPPED
    assert "running" not in marks(task)
    await runtime.cleanup(task.handle)


async def test_a_cancel_while_installing_says_so(runtime: ProcessRuntime, index: Index) -> None:  # case 50
    index.offer(source("slow", "1.0", "__import__('time').sleep(60)"))
    wanted = spec(agent_code=GREET, requirements=("slow",))
    task = await runtime.launch(wanted)
    await until(lambda: "installing again" in json.dumps(output(task)), timeout=30)
    await runtime.stop(task.handle, grace_s=5)
    sighting = await ended(runtime, task.handle, timeout=10)
    said = await runtime.collect(task.handle)  # nothing where it is stopped between the two steps of an installation
    verdict = judge(
        Evidence(
            attempt=1,
            timeout_s=60,
            sighting=sighting,
            result=read_result(said, nonce=wanted.nonce) if said else None,
            state=State.BUILDING,
            installs=True,
            told_to_stop=StopCause.CANCEL,
            cancelled_by="dev",
        )
    )
    assert verdict.failure is not None
    assert verdict.failure.stage is Stage.BUILD
    assert verdict.failure.message == "Cancelled by dev while its requirements were installed."
    await runtime.cleanup(task.handle)


async def test_a_stop_while_waiting_ends_the_task(runtime: ProcessRuntime) -> None:
    first, waiting = [await runtime.launch(spec(agent_code=GREET, requirements=("greeting",))) for _ in range(2)]
    await runtime.stop(waiting.handle, grace_s=5)
    assert (await ended(runtime, waiting.handle, timeout=10)).stop_reason == "stopped before it was started"
    assert (await ended(runtime, first.handle, timeout=20)).exit_code == 0
    for task in (first, waiting):
        await runtime.cleanup(task.handle)


async def test_code_of_packages_never_runs_near_the_kept_cache(runtime: ProcessRuntime) -> None:
    """A package without a wheel is built, by its own code: with an empty cache of its own and as another user."""
    code = "import homemade\ndef run(query):\n    return [homemade.CACHE, homemade.USER]\n"
    requirements = ("homemade", "greeting")
    (runtime.host.caches.of("alice").path / "of-all").touch()
    task = await runtime.launch(spec(agent_code=code, requirements=requirements))
    assert (await ended(runtime, task.handle, timeout=30)).exit_code == 0, output(task)
    caches, user = json.loads(await runtime.collect(task.handle) or b"")["response"]
    assert user == 1000
    assert "of-all" not in caches
    assert marks(task) == ["building", "running", "finished", "end"]
    seqs = [entry["seq"] for entry in output(task) if "seq" in entry]
    assert seqs == list(range(1, len(seqs) + 1))
    await runtime.cleanup(task.handle)


async def test_a_build_that_digs_deep_holds_up_nobody(runtime: ProcessRuntime) -> None:
    task = await runtime.launch(spec(requirements=("burrow",)))
    assert (await ended(runtime, task.handle, timeout=30)).exit_code == 0, output(task)
    await runtime.cleanup(task.handle)
    await runtime.prune(outputs_s=3600, environments_s=-1)
    assert list((runtime.host.root / "environments").iterdir()) == []


async def test_installed_modules_are_compiled(runtime: ProcessRuntime) -> None:
    """An environment is read-only at run time: what is not compiled at once would be compiled by every test."""
    code = "import greeting, os\ndef run(query):\n    return os.path.exists(greeting.__cached__)\n"
    assert await answer(runtime, spec(agent_code=code, requirements=("greeting",)), timeout=30) is True


async def test_nothing_of_an_installation_stays_but_the_environment(runtime: ProcessRuntime) -> None:
    await answer(runtime, spec(agent_code=GREET, requirements=("greeting",)), timeout=30)
    folder = runtime.host.root / "environments"
    assert [path.name for path in folder.iterdir() if not path.is_dir() or path.name.startswith(".")] == []
    await runtime.prune(outputs_s=3600, environments_s=3600)
    assert len(_environments(runtime)) == 1
    await runtime.prune(outputs_s=3600, environments_s=-1)
    assert not _environments(runtime)


async def test_a_sandbox_that_cannot_be_made_says_why(runtime: ProcessRuntime) -> None:
    task = spec(agent_code=GREET, requirements=("greeting",))
    await answer(runtime, task, timeout=30)
    (environment,) = _environments(runtime)
    path = runtime.host.root / "environments" / environment
    shutil.rmtree(path)
    path.write_text("not a folder")
    launched = await runtime.launch(replace(task, launch_token="another"))
    sighting = await ended(runtime, launched.handle)
    assert (sighting.phase, sighting.exit_code, sighting.stop_code) == (Phase.STOPPED, None, "SandboxFailed")
    assert (sighting.stop_reason or "").startswith("bwrap: ")
    await runtime.cleanup(launched.handle)


async def test_without_a_sandbox_requirements_are_installed_too(tmp_path: Path, index: Index) -> None:
    runtime = await ProcessRuntime.open(_options(tmp_path, index, Isolation.OFF))
    for expected in (4, 3):
        task = await runtime.launch(spec(agent_code=GREET, requirements=("greeting",)))
        assert (await ended(runtime, task.handle, timeout=30)).exit_code == 0
        assert len(marks(task)) == expected
        await runtime.cleanup(task.handle)
    assert list((runtime.host.root / "work").iterdir()) == []
    await runtime.aclose()


def _options(folder: Path, index: Index, isolation: Isolation = Isolation.REQUIRED) -> ProcessOptions:
    return ProcessOptions(root=folder / "tasks", isolation=isolation, build_env={"UV_DEFAULT_INDEX": index.url})


def _environments(runtime: ProcessRuntime) -> list[str]:
    folder = runtime.host.root / "environments"
    return [path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")]


def _files(runtime: ProcessRuntime, token: object) -> list[str]:
    folder = runtime.host.root / "tasks" / str(token)
    return [path.name for path in folder.iterdir() if path.lstat().st_size]
