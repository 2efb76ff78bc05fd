"""What an agent tries on the kernel that it shares with the host: calls, keys, the harness's process, terminals.

Files, other tests and rights are in tests/contract/test_process_isolation.py, limits in test_process_limits.py beside
it; the filter's table is in tests/unit/orchestrator/runtimes/test_seccomp.py."""

from __future__ import annotations

import ctypes
import json
import os
import platform
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from services.orchestrator.diagnosis import Evidence, judge
from services.orchestrator.ports import LaunchFailed
from services.orchestrator.runtimes.options import Isolation
from services.orchestrator.runtimes.orders import Orders
from services.orchestrator.runtimes.process import ProcessRuntime
from services.orchestrator.runtimes.seccomp import NUMBERS
from services.orchestrator.runtimes.steps import Steps, last_started
from services.orchestrator.runtimes.task_folder import BUILD, WHEELS, TaskFolder
from shared.domain.failure import FailureCode
from shared.domain.lifecycle import State
from tests.contract.runtime_worlds import ProcessWorld, answer, ended, output, spec
from tests.support.until import until

MACHINE = platform.machine()

CALLS = """
import ctypes, os, platform, struct
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *arguments):
    ctypes.set_errno(0)
    result = libc.syscall(number, *[ctypes.c_long(one) if isinstance(one, int) else one for one in arguments])
    return 0 if result >= 0 else ctypes.get_errno()
"""


def _agent(body: str) -> str:
    return CALLS + "def run(query):\n" + "\n".join(f"    {line}" for line in body.strip().splitlines())


def _number(name: str) -> int:
    return int(getattr(NUMBERS[name], MACHINE))


# --- the keyring

KEY = b"assay-test-secret"


@pytest.fixture
def secret_in_our_keyring() -> Iterator[str]:
    """A key in the session keyring of this process, which what it starts would inherit."""
    libc = ctypes.CDLL(None, use_errno=True)
    keyctl, add_key = _number("keyctl"), _number("add_key")
    if libc.syscall(keyctl, 1, None) < 0:  # a keyring of our own first
        pytest.skip("no kernel keyring here")
    key = libc.syscall(add_key, b"user", KEY, b"of the service", ctypes.c_size_t(14), -3)
    assert key > 0
    yield KEY.decode()
    libc.syscall(keyctl, 3, key)  # revoked


async def test_a_task_has_a_session_keyring_of_its_own(
    secret_in_our_keyring: str, process_world: ProcessWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the filter, too, which forbids to ask for keys: the two do not lean on each other."""
    monkeypatch.setattr("services.orchestrator.runtimes.host._filter", lambda *_: None)
    runtime = await process_world.open()
    code = _agent(
        f"""
keys = open("/proc/keys").read()
search = libc.syscall({_number("keyctl")}, 10, -3, b"user", {KEY!r}, 0)
return [keys.count({secret_in_our_keyring!r}), search]
"""
    )
    seen = await answer(runtime, spec(agent_code=code))
    await runtime.aclose()
    assert seen == [0, -1]


async def test_without_a_sandbox_too_a_task_has_a_keyring_and_a_filter(
    secret_in_our_keyring: str, tmp_path: Path
) -> None:
    runtime = await ProcessWorld(tmp_path / "tasks", Isolation.OFF).open()
    code = _agent(
        f"""
status = dict(line.split(":", 1) for line in open("/proc/self/status").read().splitlines())
return [open("/proc/keys").read().count({secret_in_our_keyring!r}), status["Seccomp"].strip(),
        call({_number("keyctl")}, 0, -3, 0)]
"""
    )
    seen = await answer(runtime, spec(agent_code=code, network=True))
    await runtime.aclose()
    assert seen == [0, "2", 1]


# --- calls


async def test_calls_that_an_agent_does_not_need_are_refused(sandboxes: ProcessRuntime) -> None:
    names = ["keyctl", "add_key", "request_key", "userfaultfd", "bpf", "perf_event_open", "kexec_load", "mount"]
    names += ["fsopen", "move_mount", "ptrace", "process_vm_readv", "pidfd_getfd", "setns", "open_by_handle_at"]
    names += ["init_module", "swapon", "reboot", "acct", "pivot_root", "chroot", "settimeofday", "syslog", "kcmp"]
    absent = ["io_uring_setup", "io_uring_enter", "io_uring_register", "clone3"]
    numbers = {name: _number(name) for name in names + absent}
    code = _agent(f"return {{name: call(number, 0, 0, 0, 0, 0, 0) for name, number in {numbers}.items()}}")
    seen = await answer(sandboxes, spec(agent_code=code))
    assert seen == {**dict.fromkeys(names, 1), **dict.fromkeys(absent, 38)}


async def test_a_build_has_the_filter_too(sandboxes: ProcessRuntime) -> None:
    view = sandboxes.host.view.current()
    steps = sandboxes._steps
    orders = Orders(sandboxes.host, steps.environments)
    plan = steps.plan(spec(requirements=("anything",)))
    for stage in (WHEELS, BUILD):
        order = orders.build("token", TaskFolder("/nowhere"), plan, stage, view)
        assert order.argv[order.argv.index("--seccomp") + 1] == "9"
        assert order.filter


async def test_sockets_are_of_four_families_only(sandboxes: ProcessRuntime) -> None:
    code = """
        import socket
        def run(query):
            opened = []
            for family in range(0, 46):
                for protocol in (0, 15, 132):
                    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW, socket.SOCK_SEQPACKET):
                        try:
                            socket.socket(family, kind, protocol).close()
                        except OSError:
                            continue
                        opened.append([family, protocol])
            return sorted(map(list, set(map(tuple, opened))))
    """
    assert await answer(sandboxes, spec(agent_code=code)) == [[1, 0], [2, 0], [10, 0], [16, 0]]


async def test_no_agent_takes_what_is_there_once_for_the_whole_machine(sandboxes: ProcessRuntime) -> None:
    """Places for asynchronous files, which one call could take, and the disk's attention."""
    code = _agent(
        f"""
taken = call({_number("io_setup")}, 1000, ctypes.byref(ctypes.c_ulong(0)))
usr = os.open("/usr", os.O_RDONLY)
return [taken, os.sync(), call({_number("syncfs")}, usr)]
"""
    )
    assert await answer(sandboxes, spec(agent_code=code)) == [38, None, 0]


async def test_what_programs_do_every_day_goes_on(sandboxes: ProcessRuntime) -> None:
    """Threads, children, limits and priorities of one's own, a terminal, a pipe, a temporary file, a local server."""
    code = """
        import asyncio, ctypes, multiprocessing, os, pty, resource, signal, socket, subprocess, tempfile, threading
        def double(value):
            return 2 * value
        async def echo():
            async def serve(reader, writer):
                writer.write(await reader.readline())
                writer.close()
            server = await asyncio.start_server(serve, "127.0.0.1", 0)
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(b"hello\\n")
            return (await reader.readline()).decode().strip()
        def run(query):
            done = {}
            thread = threading.Thread(target=lambda: done.update(thread=True))
            thread.start()
            thread.join()
            done["child"] = subprocess.run(["echo", "hi"], capture_output=True, text=True).stdout
            with multiprocessing.get_context("fork").Pool(2) as pool:
                done["pool"] = pool.map(double, [1, 2])
            soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft // 2, hard))
            resource.prlimit(os.getpid(), resource.RLIMIT_NOFILE)
            os.sched_setaffinity(0, os.sched_getaffinity(0))
            os.nice(1)
            with tempfile.TemporaryFile() as file:
                file.write(b"x")
            pid, fd = pty.fork()
            if pid == 0:
                os.execvp("echo", ["echo", "in a terminal"])
            done["pty"] = os.read(fd, 100).decode().strip()
            done["echo"] = asyncio.run(echo())
            done["pair"] = len(socket.socketpair())
            done["interfaces"] = [name for _, name in socket.if_nameindex()]
            done["addresses"] = len(socket.getaddrinfo("127.0.0.1", 80))
            return done
    """
    seen = await answer(sandboxes, spec(agent_code=code))
    assert seen.pop("addresses") >= 1
    assert "lo" in seen.pop("interfaces")
    assert seen == {
        "thread": True,
        "child": "hi\n",
        "pool": [2, 4],
        "pty": "in a terminal",
        "echo": "hello",
        "pair": 2,
    }


# --- the harness

LIMITS = ("RLIMIT_FSIZE", "RLIMIT_NOFILE", "RLIMIT_AS", "RLIMIT_CPU", "RLIMIT_DATA", "RLIMIT_STACK", "RLIMIT_NPROC")


@pytest.mark.parametrize("limit", LIMITS)
async def test_no_limit_of_the_harness_can_be_changed(sandboxes: ProcessRuntime, limit: str) -> None:
    code = f"""
        import resource
        def run(query):
            try:
                resource.prlimit(1, resource.{limit}, (0, 0))
            except PermissionError:
                return "refused"
            return "taken"
    """
    assert await answer(sandboxes, spec(agent_code=code)) == "refused"


@pytest.mark.parametrize("limit", ["RLIMIT_FSIZE", "RLIMIT_AS", "RLIMIT_DATA"])
async def test_a_harness_that_breaks_off_is_not_tried_again(
    process_world: ProcessWorld, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    """Should an agent find a way after all, here for want of the filter, it has run once, and it is told so."""
    monkeypatch.setattr("services.orchestrator.runtimes.host._filter", lambda *_: None)
    runtime = await process_world.open()
    code = f"""
        import resource
        def run(query):
            resource.prlimit(1, resource.{limit}, (0, 0))
            return "x" * (900 << 10)
    """
    launched = await runtime.launch(spec(agent_code=code))
    sighting = await ended(runtime, launched.handle)
    result = await runtime.collect(launched.handle)
    await runtime.cleanup(launched.handle)
    await runtime.aclose()
    assert result is None
    verdict = judge(Evidence(attempt=1, timeout_s=30, sighting=sighting))
    assert verdict.failure is not None
    assert (verdict.to, verdict.failure.code) == (State.FAILED, FailureCode.AGENT_EXITED), sighting


async def test_the_harness_can_neither_be_slowed_nor_written_to(sandboxes: ProcessRuntime) -> None:
    code = _agent(
        f"""
import signal
calls = {{
    "affinity": call({_number("sched_setaffinity")}, 1, 8, ctypes.byref(ctypes.c_long(1))),
    "scheduler": call({_number("sched_setscheduler")}, 1, 5, ctypes.byref(ctypes.c_int(0))),
    "priority": call({_number("setpriority")}, 0, 1, 19),
    "priority of the user's": call({_number("setpriority")}, 2, 0, 19),
    "io priority": call({_number("ioprio_set")}, 1, 1, 3 << 13),
    "a signal with data": call({_number("rt_sigqueueinfo")}, 1, 15, ctypes.create_string_buffer(128)),
}}
wrote = []
for name in ("oom_score_adj", "oom_adj", "comm", "mem", "timerslack_ns", "clear_refs", "coredump_filter", "autogroup",
             "attr/current", "uid_map", "gid_map", "setgroups", "sched", "fd/1", "task/1/comm", "cwd", "root"):
    try:
        fd = os.open("/proc/1/" + name, os.O_WRONLY)
        os.write(fd, b"1000")
        wrote.append(name)
    except OSError:
        pass
for number in set(signal.valid_signals()) - {{signal.SIGCHLD}}:
    try:
        os.kill(1, number)
    except OSError:
        pass
return [calls, wrote]
"""
    )
    calls, wrote = await answer(sandboxes, spec(agent_code=code))
    assert set(calls.values()) == {1}, calls
    assert wrote == []


FORGED = """
import ctypes, os, signal, struct, fcntl, socket, time
libc = ctypes.CDLL(None, use_errno=True)
def run(query):
    # A signal with data says itself who sent it: here, nobody inside.
    info = struct.pack("<iii4xiI", signal.SIGTERM, 0, -1, 0, 0).ljust(128, b"\\0")
    libc.syscall({queue}, 1, signal.SIGTERM, info)
    pidfd = os.pidfd_open(1)
    libc.syscall({by_pidfd}, pidfd, signal.SIGTERM, info, 0)
    # Input on a socket of ours, told to the harness by SIGTERM: such a signal names no sender at all.
    ours, theirs = socket.socketpair()
    fcntl.fcntl(ours, fcntl.F_SETOWN, 1)
    fcntl.fcntl(ours, 10, signal.SIGTERM)
    fcntl.fcntl(ours, fcntl.F_SETFL, fcntl.fcntl(ours, fcntl.F_GETFL) | os.O_ASYNC)
    theirs.send(b"x")
    time.sleep(0.3)
    return "still here"
"""


async def test_no_agent_can_pose_as_the_orchestrator_that_stops_it(sandboxes: ProcessRuntime) -> None:
    """A test that was stopped from outside is tried again: an agent could have itself run three times."""
    code = FORGED.format(queue=_number("rt_sigqueueinfo"), by_pidfd=_number("pidfd_send_signal"))
    assert await answer(sandboxes, spec(agent_code=code)) == "still here"


async def test_not_even_without_the_filter(process_world: ProcessWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.orchestrator.runtimes.host._filter", lambda *_: None)
    runtime = await process_world.open()
    code = FORGED.format(queue=_number("rt_sigqueueinfo"), by_pidfd=_number("pidfd_send_signal"))
    assert await answer(runtime, spec(agent_code=code)) == "still here"
    await runtime.aclose()


# --- terminals


async def test_no_agent_takes_all_terminals_of_the_machine(sandboxes: ProcessRuntime) -> None:
    if sandboxes.host.ptys is None:
        pytest.skip("only root can give a sandbox a devpts of its own with a limit")
    code = """
        import os
        def run(query):
            taken = []
            try:
                while len(taken) < 2000:
                    taken.append(os.open("/dev/ptmx", os.O_RDWR | os.O_NOCTTY))
            except OSError:
                pass
            return len(taken)
    """
    assert await answer(sandboxes, spec(agent_code=code)) == 64


# --- who it is outside


async def test_no_two_running_tasks_are_the_same_user(sandboxes: ProcessRuntime) -> None:
    """Over restarts of the orchestrator, too: the locks are the tasks' own."""
    if os.geteuid() != 0:
        pytest.skip("only root can choose users")
    options = replace(sandboxes.host.options, uid_base=1_999_000_000, uid_count=3)
    sandboxes._steps = Steps(replace(sandboxes.host, options=options))
    code = "import time\ndef run(query):\n    print('up', flush=True)\n    time.sleep(60)\n"
    tasks = [await sandboxes.launch(spec(agent_code=code)) for _ in range(2)]
    another = await ProcessRuntime.open(options)
    tasks.append(await another.launch(spec(agent_code=code)))
    try:
        for task in tasks:
            await until(lambda: any(line.get("text") == "up" for line in output(task)))  # noqa: B023 - awaited at once
        uids = {_uid_of(sandboxes, str(task.handle["token"])) for task in tasks}
        assert uids == {1_999_000_000, 1_999_000_001, 1_999_000_002}
        with pytest.raises(LaunchFailed, match="all 3 user ids for tasks are in use"):
            await another.launch(spec(agent_code=code))
    finally:
        for task in tasks:
            await sandboxes.cleanup(task.handle)
        await another.aclose()
    assert await answer(sandboxes, spec()) == "hello"


def _uid_of(runtime: ProcessRuntime, token: str) -> int:
    last = last_started(TaskFolder(f"{runtime.host.root}/tasks/{token}"))
    assert last is not None
    return Path(f"/proc/{last[1].process.pid}").stat().st_uid


async def test_nothing_of_ours_is_open_in_an_agent(sandboxes: ProcessRuntime) -> None:
    """Neither the filter's file nor the lock on its user id, which bubblewrap is handed."""
    code = """
        import os
        def run(query):
            found = {}
            for fd in os.listdir("/proc/self/fd"):
                try:
                    found[fd] = os.readlink("/proc/self/fd/" + fd)
                except OSError:
                    pass
            return [path for path in found.values() if not path.startswith(("pipe:", "/dev/null", "/proc/"))]
    """
    launched = await sandboxes.launch(spec(agent_code=code))
    assert (await ended(sandboxes, launched.handle)).exit_code == 0
    values = json.loads(await sandboxes.collect(launched.handle) or b"{}")
    assert values["response"] == []
    await sandboxes.cleanup(launched.handle)


async def test_terminals_of_one_test_are_gone_before_another_has_their_place(sandboxes: ProcessRuntime) -> None:
    """Instances of devpts are used again, one task after the other."""
    code = """
        import os
        def run(query):
            before = sorted(os.listdir("/dev/pts"))
            kept = [os.openpty() for _ in range(5)]
            return [before, len(os.listdir("/dev/pts"))]
    """
    for _ in range(6):
        assert await answer(sandboxes, spec(agent_code=code)) == [["ptmx"], 6]
