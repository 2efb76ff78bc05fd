"""The small process that keeps network namespaces ready, each with slirp4netns as its way out.

It exists because making one takes 20 ms, and because the rules must be made by somebody who has rights over the
namespace, which the agent has not. It lives in a user namespace of its own (as root: as a user id that nothing else
has), so neither it nor slirp4netns has rights on the host; all that it is made of is loaded before it goes there. It
knows namespaces, nothing of tests or rules: those come as text. Standard library only (standalone.py), to be small.

Orders and answers are JSON lines on fd 0. A namespace is named by a number, and handed out as two paths: of the
namespace, and of a pipe. Who holds the pipe open for writing keeps slirp4netns alive; so the network of a test
outlives this process, and ends with the test. When the orchestrator goes away this process ends, and what nobody
holds with it.
"""

# pathlib would double what this process is.
# ruff: noqa: PTH101, PTH103, PTH110, PTH116, PTH120, S103

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import resource
import sys
from typing import Any, Final

from services.orchestrator.runtimes.egress.namespace import Broken, Namespace, insert, make
from services.orchestrator.runtimes.kernel import (
    CLONE_NEWNS,
    CLONE_NEWUSER,
    MS_NOEXEC,
    MS_NOSUID,
    MS_PRIVATE,
    MS_REC,
    call,
    enter_groups,
    start_time,
    write,
)

TUN: Final = "/dev/net/tun"
TUN_NUMBER: Final = (10, 200)  # Linux: Documentation/admin-guide/devices.txt


def enter(parents: list[str]) -> None:
    """Into a cgroup below each parent, so that traffic of tests is weighed with the tests."""
    for parent in parents:
        with contextlib.suppress(OSError):
            enter_groups([f"{parent}/{os.getpid()}-{start_time()}-network"])


def open_tun() -> None:
    """Sees to it that a user without rights finds the tun device: most systems have it so (udev), some do not.

    Then it is made once more, in a mount namespace that only this process and its children have."""
    try:
        if os.stat(TUN).st_mode & 0o006 == 0o006:
            return
    except OSError:
        pass
    call("unshare", CLONE_NEWNS)
    call("mount", b"none", b"/", None, MS_REC | MS_PRIVATE, None)
    os.makedirs(os.path.dirname(TUN), exist_ok=True)
    call("mount", b"tmpfs", os.path.dirname(TUN).encode(), b"tmpfs", MS_NOSUID | MS_NOEXEC, b"mode=755")
    os.mknod(TUN, 0o20666, os.makedev(*TUN_NUMBER))
    os.chmod(TUN, 0o666)  # nosec B103 - as udev makes it; only in this namespace


def leave(uid: int | None) -> None:
    """Becomes nobody on the host and root of a user namespace."""
    if uid is not None:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
        call("prctl", 4, 1, 0, 0, 0)  # PR_SET_DUMPABLE: or /proc/self belongs to root
    user, group = os.getuid(), os.getgid()
    call("unshare", CLONE_NEWUSER)
    write("/proc/self/setgroups", "deny")
    write("/proc/self/uid_map", f"0 {user} 1")
    write("/proc/self/gid_map", f"0 {group} 1")


class Keeper:
    """Takes orders."""

    def __init__(self, orders: int) -> None:
        self.orders = orders
        self.rules = ""
        self.edition = 0
        self.forwards: list[int] = []
        self.namespaces: dict[int, Namespace] = {}
        self.made = 0
        self.pending = b""

    def serve(self) -> None:
        """Works until nobody gives orders any more."""
        while True:
            try:
                data = os.read(self.orders, 1 << 20)
            except ConnectionResetError:
                return
            if not data:
                return
            *lines, self.pending = (self.pending + data).split(b"\n")
            for line in lines:
                order = json.loads(line)
                getattr(self, f"do_{order['do']}")(order)
            self.bury()

    def say(self, answer: dict[str, Any]) -> None:
        """Tells the orchestrator."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            os.write(self.orders, json.dumps(answer).encode() + b"\n")

    def do_rules(self, order: dict[str, Any]) -> None:
        """What namespaces have that are made from now on."""
        self.rules, self.forwards, self.edition = order["text"], order["forwards"], order["edition"]

    def do_make(self, order: dict[str, Any]) -> None:
        """One more."""
        del order
        try:
            namespace = make(self.rules, self.forwards, self.edition)
        except (Broken, OSError) as error:
            self.say({"is": "failed", "message": str(error)})
            return
        self.made += 1
        self.namespaces[self.made] = namespace
        self.offer(self.made)

    def do_open(self, order: dict[str, Any]) -> None:
        """Opens one for more than the rules allow. It is not used for another test afterwards."""
        namespace = self.namespaces.get(order["id"])
        if namespace is None:
            self.say({"is": "shut", "id": order["id"], "message": "it has ended"})
            return
        namespace.fresh = b""
        try:
            if order["text"]:
                insert(namespace, order["text"])
            namespace.forward_all(order["forwards"])
        except (Broken, OSError) as error:
            self.say({"is": "shut", "id": order["id"], "message": str(error)})
        else:
            self.say({"is": "opened", "id": order["id"]})

    def do_back(self, order: dict[str, Any]) -> None:
        """A test is over. A namespace in which no packet was sent is as good as new; any other is thrown away."""
        namespace = self.namespaces[order["id"]]
        if namespace.packets() == namespace.fresh and os.path.exists(f"/proc/{namespace.slirp}"):
            self.offer(order["id"])
        else:
            self.do_drop(order)
            self.say({"is": "used", "id": order["id"]})

    def do_drop(self, order: dict[str, Any]) -> None:
        """Lets go of one."""
        self.namespaces.pop(order["id"]).close()

    def offer(self, number: int) -> None:
        """Says that a namespace can be used."""
        namespace = self.namespaces[number]
        place = f"/proc/{os.getpid()}/fd"
        paths = {"net": f"{place}/{namespace.net}", "life": f"{place}/{namespace.life}"}
        self.say({"is": "ready", "id": number, **paths, "edition": namespace.edition})

    def bury(self) -> None:
        """Collects children that have ended."""
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def main() -> None:
    """Leaves the orchestrator's process family, becomes the keeper, and says whether it could."""
    if os.fork():
        os._exit(0)
    orders = fcntl.fcntl(0, fcntl.F_DUPFD_CLOEXEC, 3)
    try:
        os.setsid()
        os.nice(int(sys.argv[2]))
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # each namespace is four open files
        enter(sys.argv[3:])
        uid = None if sys.argv[1] == "-" else int(sys.argv[1])
        if uid is not None:
            open_tun()
        leave(uid)
    except OSError as error:
        message = f"no user namespace for networks: {error.strerror} ({error.filename or TUN})"
        os.write(orders, json.dumps({"is": "failed", "message": message}).encode() + b"\n")
        return
    userns = f"/proc/{os.getpid()}/ns/user" if uid is None else ""
    os.write(orders, json.dumps({"is": "up", "userns": userns}).encode() + b"\n")
    Keeper(orders).serve()
