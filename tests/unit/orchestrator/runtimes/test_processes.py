import asyncio
import os
import resource
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.orchestrator.runtimes.processes import (
    ExitWatch,
    Identity,
    Life,
    boot_id,
    children_of,
    life,
    parent_of,
    send,
    takes_sigterm,
)
from tests.support.until import until

BOOT = boot_id()


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["/bin/sleep", "60"]) as process:
        yield process
        process.kill()


def identity(pid: int, boot: str = BOOT) -> Identity:
    stat = Path(f"/proc/{pid}/stat").read_text()
    return Identity(pid, int(stat.rpartition(")")[2].split()[19]), boot)


def test_a_process_lives_is_a_zombie_and_is_gone(sleeper: subprocess.Popen[bytes]) -> None:
    process = identity(sleeper.pid)
    assert life(process, boot=BOOT) is Life.ALIVE
    assert (parent_of(sleeper.pid), sleeper.pid in children_of(os.getpid())) == (os.getpid(), True)
    sleeper.kill()
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)
    assert life(process, boot=BOOT) is Life.ZOMBIE
    sleeper.wait()
    assert life(process, boot=BOOT) is Life.GONE
    assert parent_of(sleeper.pid) is None


async def test_a_process_is_not_taken_for_gone_because_we_have_no_descriptor_left(
    sleeper: subprocess.Popen[bytes],
) -> None:
    process = identity(sleeper.pid)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        with pytest.raises(OSError, match="Too many open files"):
            life(process, boot=BOOT)
        with pytest.raises(OSError, match="Too many open files"):
            ExitWatch.on(process, boot=BOOT, ended=lambda: None)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert life(process, boot=BOOT) is Life.ALIVE


def test_another_process_with_the_same_pid_is_another(sleeper: subprocess.Popen[bytes]) -> None:
    pid, start, boot = identity(sleeper.pid)
    assert life(Identity(pid, start - 1, boot), boot=BOOT) is Life.GONE
    assert life(Identity(pid, start, "before the restart"), boot=BOOT) is Life.GONE


def test_a_signal_reaches_only_the_child_of_the_right_parent(sleeper: subprocess.Popen[bytes]) -> None:
    assert not send(sleeper.pid, signal.SIGKILL, parent=1)
    assert sleeper.poll() is None
    assert send(sleeper.pid, signal.SIGKILL, parent=os.getpid())
    assert sleeper.wait() == -signal.SIGKILL
    assert not send(sleeper.pid, signal.SIGKILL)


async def test_readiness_for_sigterm_is_seen() -> None:
    program = "import signal, time; time.sleep(.1); signal.pthread_sigmask(signal.SIG_BLOCK, [15]); time.sleep(60)"
    process = await asyncio.create_subprocess_exec("/usr/bin/env", "python3", "-c", program)
    await until(lambda: takes_sigterm(process.pid))
    process.kill()
    await process.wait()
    assert not takes_sigterm(process.pid)


async def test_the_end_of_a_process_is_told_once_and_at_once(sleeper: subprocess.Popen[bytes]) -> None:
    told: list[str] = []
    watch = ExitWatch.on(identity(sleeper.pid), boot=BOOT, ended=lambda: told.append("ended"))
    assert watch
    sleeper.kill()
    await until(lambda: told, timeout=2)
    watch.close()
    assert told == ["ended"]
    sleeper.wait()
    assert ExitWatch.on(Identity(sleeper.pid, 1, BOOT), boot=BOOT, ended=lambda: None) is None
