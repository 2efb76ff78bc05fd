"""The small process that keeps network namespaces ready, each with slirp4netns as its way out.

It exists because making one takes 20 ms, and because the rules must be made by somebody who has rights over the
namespace, which the agent has not. It lives in a user namespace of its own (as root: as a user id that nothing else
has), so neither it nor slirp4netns has rights on the host. Standard library only, run as a script; it knows
namespaces, nothing of tests or rules: those come as text.

    python -S -I keeper.py UID NICE CGROUP_PARENT...        UID: a number, or - to stay who we are

Orders and answers are JSON lines on fd 0. A namespace is named by a number, and handed out as two paths: of the
namespace, and of a pipe. Who holds the pipe open for writing keeps slirp4netns alive; so the network of a test
outlives this process, and ends with the test. When the orchestrator goes away this process ends, and what nobody
holds with it.
"""

# pathlib would double what this process is.
# ruff: noqa: PTH100, PTH101, PTH102, PTH103, PTH110, PTH116, PTH118, PTH120, PTH123, S103, S606, FBT003, BLE001

import contextlib
import ctypes
import fcntl
import json
import os
import resource
import select
import signal
import sys
from collections.abc import Callable
from typing import Any, NoReturn

CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWNET = 0x20000, 0x10000000, 0x40000000  # sched.h
MS_NOSUID, MS_NOEXEC, MS_REC, MS_PRIVATE = 2, 8, 0x4000, 1 << 18  # sys/mount.h
TUN = "/dev/net/tun"
TUN_NUMBER = (10, 200)  # Linux: Documentation/admin-guide/devices.txt
MTU = "65520"  # slirp4netns(1): recommended for throughput
OPEN_FILES = 4096  # of one slirp4netns: each connection of its test is one
MOST_S = 5.0  # far above what a step takes

libc = ctypes.CDLL(None, use_errno=True)


class Broken(Exception):
    """A namespace was not made or opened; the message says why."""


def call(name: str, *arguments: Any) -> None:
    """A function of libc that answers 0. Raises OSError."""
    if getattr(libc, name)(*arguments):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), name)


def write(path: str, text: str) -> None:
    """One write to a file of the kernel's."""
    fd = os.open(path, os.O_WRONLY)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


# --- becoming what keeps them


def start_time() -> int:
    """When this process started, in clock ticks since boot (proc(5), field 22)."""
    with open("/proc/self/stat", "rb") as file:
        stat = file.read()
    return int(stat[stat.rindex(b")") + 2 :].split()[19])


def enter(parents: list[str]) -> None:
    """Into a cgroup below each parent, so that traffic of tests is weighed with the tests."""
    for parent in parents:
        group = f"{parent}/{os.getpid()}-{start_time()}-network"
        with contextlib.suppress(OSError):
            os.mkdir(group, 0o755)
            write(f"{group}/cgroup.procs", "0")


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
    os.chmod(TUN, 0o666)


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


# --- one namespace


class Namespace:
    """One network namespace and its slirp4netns."""

    def __init__(self, pid: int) -> None:
        self.net = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        self.counters = os.open(f"/proc/{pid}/net/dev", os.O_RDONLY | os.O_CLOEXEC)
        self.ends, self.life = os.pipe2(os.O_CLOEXEC)
        self.slirp = 0
        self.fresh = b""

    def packets(self) -> bytes:
        """What its devices have counted."""
        return os.pread(self.counters, 65536, 0)

    def close(self) -> None:
        """Lets go: it ends with the last process in it."""
        for fd in (self.net, self.counters, self.ends, self.life):
            os.close(fd)

    def attach(self) -> None:
        """Starts slirp4netns and waits until it has set up the device. Raises Broken."""
        ready, told = os.pipe2(os.O_CLOEXEC)
        self.slirp = spawn(self._become_slirp, told)
        os.close(told)
        try:
            if b"1" not in read_within(ready):
                raise Broken("slirp4netns did not set up the network")
        finally:
            os.close(ready)

    def _become_slirp(self, told: int) -> NoReturn:
        for fd in (self.net, self.ends, told):
            os.set_inheritable(fd, True)
        resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, OPEN_FILES))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        line = ["slirp4netns", "--configure", f"--mtu={MTU}", "--cidr=192.0.2.0/24", "--disable-host-loopback"]
        line += ["--enable-sandbox", "--enable-seccomp", f"--exit-fd={self.ends}", f"--ready-fd={told}"]
        os.execvp(line[0], [*line, "--netns-type=path", f"/proc/self/fd/{self.net}", "tap0"])

    def forward(self, port: int, host: str, to: int) -> None:
        """Has connections to a port of its loopback arrive at one of the host's, for as long as it lives."""
        hearing, made = os.pipe2(os.O_CLOEXEC)

        def become_forward() -> NoReturn:
            for fd in (self.ends, made):
                os.set_inheritable(fd, True)
            program = os.path.join(os.path.dirname(os.path.abspath(__file__)), "forward.py")
            arguments = [str(self.net), str(port), host, str(to), str(self.ends), str(made)]
            os.set_inheritable(self.net, True)
            os.execv(sys.executable, [sys.executable, "-S", "-I", program, *arguments])

        spawn(become_forward)
        os.close(made)
        try:
            said = read_within(hearing)
            if said != b"ready":
                raise Broken(said.decode("utf-8", "replace") or f"port {port} could not be forwarded")
        finally:
            os.close(hearing)


def spawn(become: Callable[..., NoReturn], *arguments: Any) -> int:
    """A child that becomes something else."""
    pid = os.fork()
    if pid == 0:
        try:
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGCHLD, signal.SIGPIPE):
                signal.signal(number, signal.SIG_DFL)
            null = os.open("/dev/null", os.O_RDWR)
            os.dup2(null, 0)
            os.dup2(null, 1)
            become(*arguments)
        except BaseException as error:
            os.write(2, f"{type(error).__name__}: {error}\n".encode())
        finally:
            os._exit(70)
    return pid


def read_within(fd: int) -> bytes:
    """What comes first, or nothing when it does not come in time."""
    if not select.select([fd], [], [], MOST_S)[0]:
        return b""
    return os.read(fd, 4096)


def make(rules: str) -> Namespace:
    """A namespace with its rules and its way out. Raises Broken, OSError."""
    made, say_made = os.pipe2(os.O_CLOEXEC)
    go_on, say_go_on = os.pipe2(os.O_CLOEXEC)

    def become_the_rules() -> NoReturn:
        call("unshare", CLONE_NEWNET)
        # Of what comes: loopback keeps ::1, and no packet of the kernel's own (router solicitation) is ever counted.
        with contextlib.suppress(OSError):
            write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1")
        os.write(say_made, b"made")
        os.read(go_on, 1)  # until the parent has hold of it
        apply(rules)

    pid = spawn(become_the_rules)
    namespace = None
    try:
        os.close(say_made)
        if read_within(made) != b"made":
            raise Broken("no network namespace can be made here")
        namespace = Namespace(pid)
        os.write(say_go_on, b".")
        namespace.attach()
        settle(pid, "nft did not take the rules")
        namespace.fresh = namespace.packets()
    except BaseException:
        os.close(say_go_on)
        say_go_on = -1
        if namespace:
            namespace.close()
        raise
    finally:
        for fd in (made, go_on, say_go_on):
            if fd >= 0:
                os.close(fd)
    return namespace


def apply(rules: str) -> NoReturn:
    """Becomes nft with these rules for its input, in the namespace that we are in."""
    memory = os.memfd_create("rules", 0)
    os.write(memory, rules.encode())
    os.lseek(memory, 0, 0)
    os.dup2(memory, 0)
    os.execvp("nft", ["nft", "-f", "-"])


def settle(pid: int, complaint: str) -> None:
    """Waits for a child that must do well. Raises Broken."""
    fd = os.pidfd_open(pid)
    try:
        if not select.select([fd], [], [], MOST_S)[0]:
            os.kill(pid, signal.SIGKILL)
    finally:
        os.close(fd)
    if os.waitpid(pid, 0)[1]:
        raise Broken(complaint)


def insert(namespace: Namespace, rules: str) -> None:
    """Adds rules. Raises Broken."""

    def become_the_rules() -> NoReturn:
        call("setns", namespace.net, CLONE_NEWNET)
        apply(rules)

    settle(spawn(become_the_rules), "nft did not take the rules")


# --- all of them


class Keeper:
    """Takes orders."""

    def __init__(self, orders: int) -> None:
        self.orders = orders
        self.rules = ""
        self.forwards: list[tuple[int, str, int]] = []
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
        self.rules, self.forwards = order["text"], order["forwards"]

    def do_make(self, order: dict[str, Any]) -> None:
        """One more."""
        del order
        try:
            namespace = make(self.rules)
        except (Broken, OSError) as error:
            self.say({"is": "failed", "message": str(error)})
            return
        try:
            for port, host, to in self.forwards:
                namespace.forward(port, host, to)
        except (Broken, OSError) as error:
            namespace.close()
            self.say({"is": "failed", "message": str(error)})
            return
        self.made += 1
        self.namespaces[self.made] = namespace
        self.ready(self.made)

    def do_open(self, order: dict[str, Any]) -> None:
        """Opens one for more than the rules allow. It is not used for another test afterwards."""
        namespace = self.namespaces[order["id"]]
        namespace.fresh = b""
        try:
            if order["text"]:
                insert(namespace, order["text"])
            for port, host, to in order["forwards"]:
                namespace.forward(port, host, to)
        except (Broken, OSError) as error:
            self.say({"is": "shut", "id": order["id"], "message": str(error)})
        else:
            self.say({"is": "opened", "id": order["id"]})

    def do_back(self, order: dict[str, Any]) -> None:
        """A test is over. A namespace in which no packet was sent is as good as new; any other is thrown away."""
        namespace = self.namespaces.get(order["id"])
        if namespace is None:
            return
        if namespace.packets() == namespace.fresh and os.path.exists(f"/proc/{namespace.slirp}"):
            self.ready(order["id"])
        else:
            self.do_drop(order)

    def do_drop(self, order: dict[str, Any]) -> None:
        """Lets go of one."""
        namespace = self.namespaces.pop(order["id"], None)
        if namespace is not None:
            namespace.close()
            self.say({"is": "gone", "id": order["id"]})

    def ready(self, number: int) -> None:
        """Says that a namespace can be used."""
        namespace = self.namespaces[number]
        place = f"/proc/{os.getpid()}/fd"
        self.say({"is": "ready", "id": number, "net": f"{place}/{namespace.net}", "life": f"{place}/{namespace.life}"})

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


if __name__ == "__main__":
    main()
