"""The sandbox of an Assay that does not run as root: agents are the same user outside, and what shuts them in are the
namespaces alone."""

from __future__ import annotations

import json
import os
import platform
import shutil
import socket
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.orchestrator.runtimes.seccomp import NUMBERS

PYTHON = "/usr/bin/python3"  # another user may not see the one that runs the tests
PROJECT = Path(__file__).resolve().parents[2]
USER = 1_998_000_000
TUN = """
mkdir -p /dev/net && mount -t tmpfs none /dev/net && mknod -m 666 /dev/net/tun c 10 200; exec "$@"
"""
"""As udev has it, where there is udev."""


def _number(call: str) -> int:
    return int(getattr(NUMBERS[call], platform.machine()))


AGENT = (
    f"KEYCTL = {_number('keyctl')}\n"
    """
import ctypes, fcntl, os, socket, struct
def attempt(what):
    try:
        return what() or "went well"
    except (OSError, ValueError) as error:
        return type(error).__name__
def connect(address):
    with socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET) as connection:
        connection.settimeout(3)
        connection.connect(address)
def write(path, text):
    with open(path, "w") as file:
        file.write(text)
def route():
    # RTM_NEWROUTE: 10.0.0.0/8 by tap0; its answer has the error
    body = struct.pack("BBBBBBBBI", 2, 8, 0, 0, 254, 4, 253, 1, 0)
    body += struct.pack("HH4s", 8, 1, socket.inet_aton("10.0.0.0")) + struct.pack("HHI", 8, 4, 2)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as kernel:
        kernel.settimeout(3)
        kernel.send(struct.pack("IHHII", 16 + len(body), 24, 0x405, 1, 0) + body)
        number = struct.unpack("i", kernel.recv(4096)[16:20])[0]
    if number:
        raise OSError(-number, os.strerror(-number))
def down():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, 0x8914, struct.pack("16sH14x", b"tap0", 0))
def keys():
    if ctypes.CDLL(None).syscall(KEYCTL, 0, -4, 0) < 0:
        raise OSError("refused")
def run(query):
    port, name, pid = query.split()
    return {
        "a server of the host": attempt(lambda: connect(("127.0.0.1", int(port)))),
        "the host by the gateway's address": attempt(lambda: connect(("192.0.2.2", int(port)))),
        "an abstract name": attempt(lambda: connect("\\0" + name)),
        "settings of the network": attempt(lambda: write("/proc/sys/net/ipv4/ip_default_ttl", "7")),
        "a route": attempt(route),
        "an interface": attempt(down),
        "a process of the same user": attempt(lambda: os.kill(int(pid), 9)),
        "its memory": attempt(lambda: write(f"/proc/{pid}/mem", "x")),
        "keys": attempt(keys),
    }
"""
)

PROGRAM = (
    f"ADD_KEY, KEYCTL = {_number('add_key')}, {_number('keyctl')}\n"
    """
import asyncio, ctypes, json, sys
from pathlib import Path
from services.orchestrator.runtimes.options import Isolation, ProcessOptions
from services.orchestrator.runtimes.process import ProcessRuntime
from tests.contract.runtime_worlds import answer, spec

def use_up_keys():
    libc = ctypes.CDLL(None)
    for number in range(1000):
        if libc.syscall(ADD_KEY, b"user", b"assay-test-%d" % number, b"x", ctypes.c_size_t(1), -4) < 0:
            return

async def main():
    ctypes.CDLL(None).syscall(KEYCTL, 7, -4)  # what an earlier run has left
    if sys.argv[4] == "none left":
        use_up_keys()
    runtime = await ProcessRuntime.open(ProcessOptions(root=Path(sys.argv[1]), isolation=Isolation.AUTO))
    has = [runtime.host.bwrap is not None, runtime.host.networks is not None]
    found = [await answer(runtime, spec(agent_code=sys.argv[2], query=sys.argv[3], network=True)) for _ in range(2)]
    await runtime.aclose()
    ctypes.CDLL(None).syscall(KEYCTL, 7, -4)  # KEYCTL_CLEAR: keys outlive their makers
    print(json.dumps([has, found]))

asyncio.run(main())
"""
)


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder of that user's, where they can reach it."""
    path = Path(tempfile.mkdtemp(prefix="assay-without-root-"))
    path.chmod(0o755)
    os.chown(path, USER, USER)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.mark.parametrize("keys", ["some left", "none left"])
def test_an_agent_of_an_assay_without_root_is_shut_in_all_the_same(home: Path, keys: str) -> None:
    """Also when the kernel gives its user no keyring any more: they have 200, and each task takes one."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    name = f"assay-test-{os.getpid()}"
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_UNIX) as abstract:
        abstract.bind(f"\0{name}")
        abstract.listen()
        with subprocess.Popen(["sleep", "60"], user=USER, group=USER, extra_groups=[]) as sleeper:
            query = f"{server.getsockname()[1]} {name} {sleeper.pid}"
            try:
                has, found = _run(home, query, keys)
                assert sleeper.poll() is None
            finally:
                sleeper.kill()
    if has != [True, True]:
        pytest.skip("no sandbox with a network of its own for other users here")
    for attempts in found:  # the second in a network that may have been used before
        assert "went well" not in attempts.values(), attempts


def _run(home: Path, query: str, keys: str) -> tuple[list[bool], list[dict[str, str]]]:
    version = subprocess.run(
        [PYTHON, "-c", "import sys; print(*sys.version_info[:2])"], check=True, capture_output=True, text=True
    )
    if version.stdout.split() != [str(number) for number in sys.version_info[:2]]:
        pytest.skip("the Python of the machine is of another version")
    become = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups"]
    done = subprocess.run(
        [
            *("unshare", "--mount", "sh", "-c", TUN, "sh", *become),
            *(PYTHON, "-c", PROGRAM, str(home / "tasks"), AGENT, query, keys),
        ],
        cwd="/",
        env={
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "PYTHONPATH": f"{PROJECT}:{sysconfig.get_path('purelib')}",
            "HOME": str(home),
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if "PermissionError" in done.stderr and str(PROJECT) in done.stderr:
        pytest.skip("another user may not read the project here")
    assert done.returncode == 0, done.stderr[-2000:]
    has, found = json.loads(done.stdout.splitlines()[-1])
    return has, found
