"""The floor: an asyncio script that starts the work as child processes, some at once, and writes what they said to a
file.

Runs as a process of its own (`python -m tests.bench.floor KIND CHILDREN AT_ONCE FOLDER`), so that its CPU time is its
own, too. Kind `bare` is nothing but the child; `sandbox` puts it into the product's sandbox: the same bubblewrap line,
user, niceness and cgroup limits; `unlimited` leaves the cgroups out, because entering one that nobody entered lately
takes the kernel 10 ms, and the product does that beforehand.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TextIO

from services.orchestrator.runtimes import cgroups, sandbox
from services.orchestrator.runtimes.options import ProcessOptions
from services.orchestrator.runtimes.system_view import SystemView
from tests.bench.figures import percentile
from tests.bench.work import CHILD, LINES

PYTHON: Final = "/usr/bin/python3"
MEMORY_MIB: Final = 512
OPTIONS: Final = ProcessOptions(root=Path())


class Bare:
    """Children as they are."""

    def command(self, answer: int) -> list[str]:
        return [PYTHON, "-S", "-c", CHILD, str(answer)]

    async def start(self, answer: int) -> asyncio.subprocess.Process:
        pipe = asyncio.subprocess.PIPE
        return await asyncio.create_subprocess_exec(*self.command(answer), stdout=pipe, pass_fds=(answer,))

    async def ended(self, process: asyncio.subprocess.Process) -> None:
        """Nothing is left to do."""


class Sandboxed:
    """Children in the product's sandbox."""

    def __init__(self, bwrap: str, folder: Path, *, limited: bool) -> None:
        views = folder / "views"
        views.mkdir(exist_ok=True)
        room = sandbox.Room(
            view=SystemView(views, os.environ, interpreter=PYTHON).current().folder, memory_mib=MEMORY_MIB, network=True
        )
        program = [PYTHON, "-S", "-c", CHILD, str(sandbox.RESULT_FD)]
        self._command = sandbox.command(bwrap, room, program)
        self._environment = sandbox.variables(build=False)
        self._numbers = itertools.count()
        self._groups: dict[int, list[str]] = {}
        self._parents: list[str] = []
        self._values: list[dict[str, str]] = []
        if limited:
            with contextlib.suppress(cgroups.Unavailable, OSError):
                groups = cgroups.available(cpu=False)
                self._parents = groups.folders()
                self._values = groups.values(memory_mib=MEMORY_MIB, processes=66)
        # The sandbox's own descriptors have fixed numbers: nothing else may take them.
        for place in (sandbox.RESULT_FD, sandbox.STATUS_FD):
            os.dup2(os.open(os.devnull, os.O_WRONLY), place)

    async def start(self, answer: int) -> asyncio.subprocess.Process:
        number = next(self._numbers)
        groups = [f"{parent}/bench-{os.getpid()}-{number}" for parent in self._parents]
        process = await asyncio.create_subprocess_exec(
            *self._command,
            stdout=asyncio.subprocess.PIPE,
            pass_fds=(sandbox.RESULT_FD, sandbox.STATUS_FD),
            env=self._environment,
            preexec_fn=self._steps(groups, answer),
        )
        self._groups[process.pid] = groups
        return process

    def _steps(self, groups: list[str], answer: int) -> Callable[[], None]:
        def steps() -> None:
            for group, values in zip(groups, self._values, strict=True):
                os.mkdir(group)  # noqa: PTH102 - between fork and exec: as little as can be
                for name, value in {**values, "cgroup.procs": "0"}.items():
                    descriptor = os.open(f"{group}/{name}", os.O_WRONLY)
                    os.write(descriptor, value.encode())
                    os.close(descriptor)
            os.dup2(answer, sandbox.RESULT_FD)
            os.nice(OPTIONS.nice)
            os.setsid()
            if os.getuid() == 0:
                user = OPTIONS.uid_base
                os.setgroups([])
                os.setresgid(user, user, user)
                os.setresuid(user, user, user)

        return steps

    async def ended(self, process: asyncio.subprocess.Process) -> None:
        groups = self._groups.pop(process.pid)
        while not cgroups.remove(groups):  # noqa: ASYNC110 - the kernel tells nobody when it is done
            await asyncio.sleep(0.01)


@dataclass(frozen=True, slots=True)
class Floor:
    """What the floor came to."""

    children: int
    wall_ms: float
    """per child"""
    p50_ms: float
    cpu_ms: float
    """per child: the children and the script"""
    child_cpu_ms: float


async def _one(way: Bare | Sandboxed, results: TextIO) -> float:
    """Starts one child, writes down what it said, and says how long that took."""
    begun = time.perf_counter()
    hearing, answer = os.pipe()
    process = await way.start(answer)
    os.close(answer)
    assert process.stdout is not None
    output = await process.stdout.read()
    code = await process.wait()
    said = os.read(hearing, 65536)
    os.close(hearing)
    await way.ended(process)
    if code != 0 or output.count(b"\n") != LINES:
        raise RuntimeError(f"a child ended with code {code} after {output!r}")
    results.write(json.dumps({"output": output.decode(), "answer": json.loads(said)}) + "\n")
    return time.perf_counter() - begun


async def _all(way: Bare | Sandboxed, children: int, at_once: int, results: TextIO) -> list[float]:
    left = iter(range(children))

    async def worker() -> list[float]:
        return [await _one(way, results) for _ in left]

    return [took for own in await asyncio.gather(*(worker() for _ in range(at_once))) for took in own]


def main(kind: str, children: int, at_once: int, folder: Path) -> dict[str, Any]:
    bwrap = shutil.which("bwrap")  # where there is none, the product has no sandbox either
    way = Sandboxed(bwrap, folder, limited=kind == "sandbox") if kind != "bare" and bwrap else Bare()
    with (folder / "results.jsonl").open("w", encoding="utf-8") as results:
        begun = time.perf_counter()
        before = _cpu_s(resource.RUSAGE_SELF), _cpu_s(resource.RUSAGE_CHILDREN)
        took = asyncio.run(_all(way, children, at_once, results))
        wall = time.perf_counter() - begun
    own, theirs = (
        _cpu_s(who) - was for who, was in zip((resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN), before, strict=True)
    )
    per_child = 1000 / children
    return {
        "children": children,
        "wall_ms": wall * per_child,
        "p50_ms": percentile(took, 50) * 1000,
        "cpu_ms": (own + theirs) * per_child,
        "child_cpu_ms": theirs * per_child,
    }


def _cpu_s(who: int) -> float:
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


async def measured(kind: str, children: int, *, at_once: int, folder: Path) -> Floor:
    """Runs this module as a process of its own."""
    command = [sys.executable, "-m", "tests.bench.floor", kind, str(children), str(at_once), str(folder)]
    # In a thread, because asyncio would fork, and gRPC complains of that.
    ended = await asyncio.to_thread(subprocess.run, command, stdout=subprocess.PIPE, check=True)
    return Floor(**json.loads(ended.stdout))


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))))
