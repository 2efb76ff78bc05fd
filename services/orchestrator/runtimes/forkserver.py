"""The small process that starts sandboxes: it keeps forked processes ready in cgroups of their own, and turns
one into a sandbox for each order.

It exists because a fork of the orchestrator is slow and stops its event loop, because setpriv, prlimit and sh
would cost an exec each, and because entering a cgroup takes the kernel 10 ms when nobody did it lately: that
must be over when an order comes. Standard library only, run as a script (`python -S -I`); it knows paths and
numbers from its orders, nothing of tests. Each order and each answer is one JSON line on fd 0. When the
orchestrator goes away it ends with the last task.

    python -S -I forkserver.py SPARES PTYS CGROUP_PARENT...
"""

# pathlib would only make every fork dearer.
# ruff: noqa: PTH102, PTH103, PTH106, PTH108, PTH110, PTH123, PTH211

import contextlib
import ctypes
import errno
import fcntl
import gc
import json
import os
import resource
import select
import signal
import struct
import sys
from collections import deque
from typing import Any, NamedTuple

Order = dict[str, Any]

REPORT, INSTRUCTIONS, FIRST_FREE_FD = 6, 7, 8  # below: 0 context, 1 output, 2 errors, 3 result, 4 status, 5 lock
CONTENTS = 8  # of files that go along, where there are any
FILTER = 9  # of system calls, for a program that loads it itself
HELD = 10  # and above: what is only held open
CREATE = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC

LIBC = ctypes.CDLL(None, use_errno=True)
KEYCTL = {"x86_64": 250, "aarch64": 219}.get(os.uname().machine)  # asm/unistd.h
JOIN_SESSION_KEYRING = 1  # linux/keyctl.h
CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWNET = 0x20000, 0x10000000, 0x40000000  # linux/sched.h
MNT_DETACH = 2  # linux/mount.h, as what follows
MS_NOSUID, MS_NOEXEC, MS_REC, MS_SLAVE = 2, 8, 1 << 14, 1 << 19  # linux/mount.h
PR_SET_SECCOMP, SECCOMP_MODE_FILTER, PR_SET_NO_NEW_PRIVS = 22, 2, 38  # linux/prctl.h, linux/seccomp.h
PTYS = 64  # as many as processes


class Refused(Exception):
    """The task must not be started; `args[0]` is the answer to the order."""


# --- the process that becomes a task


def start_time() -> int:
    """When this process started, in clock ticks since boot: with pid and boot id it names a process for good."""
    fd = os.open("/proc/self/stat", os.O_RDONLY)
    try:
        stat = os.read(fd, 1024)
    finally:
        os.close(fd)
    return int(stat[stat.rindex(b")") + 2 :].split()[19])  # proc(5): field 22, counted behind the name


def write(path: str, value: str) -> None:
    """One write to a control file."""
    fd = os.open(path, os.O_WRONLY)
    try:
        os.write(fd, value.encode())
    finally:
        os.close(fd)


def enter(groups: list[str]) -> None:
    """Makes cgroups for this process and moves it into them."""
    for group in groups:
        os.mkdir(group, 0o755)
        write(f"{group}/cgroup.procs", "0")


def check(result: int, what: str) -> None:
    """Raises OSError where a call of libc failed."""
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)


def leave_keyring() -> None:
    """Takes a new, empty session keyring: processes inherit that of their parent, across all namespaces, and may read
    and change what is in it. Where the kernel has no keys, or forbids us to ask for them, nobody has any."""
    if KEYCTL is None:
        return
    if LIBC.syscall(KEYCTL, JOIN_SESSION_KEYRING, None) < 0:
        number = ctypes.get_errno()
        if number not in {errno.ENOSYS, errno.EPERM}:
            raise OSError(number, os.strerror(number), "a session keyring")


class Terminals:
    """Instances of devpts with a limit, each for one task at a time: terminals are the machine's, and one agent could
    take them all. They are mounted where only this process and its children see them, and used again, since mounting
    costs as much as the rest of a start. Where one cannot be mounted the task finds an empty folder, and has none."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.made = 0
        self.free: list[str] = []
        if folder:
            with contextlib.suppress(OSError):
                check(LIBC.unshare(CLONE_NEWNS), "a mount namespace")
                check(LIBC.mount(None, b"/", None, MS_REC | MS_SLAVE, None), "/")

    def take(self) -> str:
        """The folder of one that nobody uses; empty where tasks get none from us."""
        if not self.folder:
            return ""
        if self.free:
            return self.free.pop()
        self.made += 1
        place = f"{self.folder}/{self.made}"
        with contextlib.suppress(OSError):
            os.makedirs(place, 0o755, exist_ok=True)
            options = f"newinstance,ptmxmode=0666,mode=620,max={PTYS}".encode()
            check(LIBC.mount(b"devpts", place.encode(), b"devpts", MS_NOSUID | MS_NOEXEC, options), place)
        return place

    def give_back(self, place: str, *, unused: bool) -> None:
        """Keeps it for the next task where it is certain that nothing of the last one lives; else it is not used again:
        the kernel ends it with its last process."""
        if place and unused:
            self.free.append(place)
        elif place:
            LIBC.umount2(place.encode(), MNT_DETACH)


def take_uid(order: Order) -> int | None:
    """A user id that no other running task of this machine has: a lock on its byte of a file says so, and is held by
    whatever is left of the task. `None` where this process may not choose."""
    if order["uids"] is None:
        return order["uid"]  # type: ignore[no-any-return]
    path, first, count = order["uids"]
    held = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    held = fcntl.fcntl(held, fcntl.F_DUPFD, HELD)  # to outlive the exec
    for step in range(count):
        uid = int(first + (os.getpid() + step) % count)
        try:
            fcntl.fcntl(held, fcntl.F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, uid, 1, 0))
        except OSError as error:
            if error.errno not in {errno.EAGAIN, errno.EACCES}:
                raise
        else:
            return uid
    raise Refused({"answer": "failed", "message": f"all {count} user ids for tasks are in use"})


def take_lock(order: Order) -> int | None:
    """Takes the lock that an installation holds for as long as one of its processes lives."""
    if not order["lock"]:
        return None
    lock = os.open(order["lock"], os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise Refused({"answer": "busy"}) from None
    if os.path.exists(order["unless"]):  # somebody finished it while this order was on its way
        raise Refused({"answer": "busy"})
    return lock


def record(order: Order, more: dict[str, Any]) -> None:
    """Writes down which process the task is, in one step that only one process can ever make for this task: a symbolic
    link holds its text from the moment it exists, and making it fails when it is there. So no crash, here or in the
    orchestrator, can start a task twice."""
    facts = {**order["facts"], **more, "pid": os.getpid(), "start": start_time()}
    try:
        os.symlink(json.dumps(facts), order["record"])
    except FileExistsError:
        raise Refused({"answer": "exists"}) from None


def open_files(order: Order, lock: int | None) -> None:
    """Puts the task's files into their places. The context leaves the disk here: it holds the agent's secrets."""
    files = [
        (os.open(order["context"], os.O_RDONLY | os.O_CLOEXEC), 0),
        (os.open(order["output"], CREATE | os.O_APPEND, 0o644), 1),
        (os.open(order["errors"], CREATE | os.O_APPEND, 0o600), 2),
        (os.open(order["result"], CREATE, 0o600), 3),
        (os.open(order["status"], CREATE | os.O_APPEND, 0o600), 4),
    ]
    if lock is not None:
        files.append((lock, 5))
    for fd, place in files:
        os.dup2(fd, place)
    os.unlink(order["context"])
    if order["contents"]:
        contents = os.open(order["contents"], os.O_RDONLY | os.O_CLOEXEC)
        if contents != CONTENTS:
            os.dup2(contents, CONTENTS)
        fcntl.fcntl(CONTENTS, fcntl.F_SETFD, 0)  # to outlive the exec
        os.unlink(order["contents"])
    if order["filter"]:
        filtering = os.open(order["filter"], os.O_RDONLY | os.O_CLOEXEC)
        if filtering != FILTER:
            os.dup2(filtering, FILTER)
        fcntl.fcntl(FILTER, fcntl.F_SETFD, 0)


def filter_of(order: Order) -> bytes:
    """The filter that is to be loaded here; empty for none."""
    if not order["confine"]:
        return b""
    fd = os.open(order["confine"], os.O_RDONLY)
    try:
        return os.read(fd, 1 << 16)
    finally:
        os.close(fd)


def confine(code: bytes) -> None:
    """Loads a filter of system calls into this process, for good."""
    holder = ctypes.create_string_buffer(code, len(code))
    # struct sock_fprog: a length, and where the instructions are
    head = ctypes.create_string_buffer(struct.pack("@HP", len(code) // 8, ctypes.addressof(holder)))
    check(LIBC.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no new privileges")
    check(LIBC.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, head, 0, 0), "a filter of system calls")


def leave_privileges(order: Order, uid: int | None) -> None:
    """Limits that need no cgroup, politeness, and another user."""
    for name, value in order["limits"].items():
        number = getattr(resource, name)
        hard = resource.getrlimit(number)[1]
        bound = value if hard == resource.RLIM_INFINITY or os.getuid() == 0 else min(value, hard)
        resource.setrlimit(number, (bound, bound))
    if order["nice"]:
        os.nice(order["nice"])
    os.setsid()
    os.umask(0o022)
    if uid is not None:
        for path in order["gives"]:
            os.chown(path, uid, uid, follow_symlinks=False)
        os.setgroups(order["groups"])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)


class Way:
    """The network that was made for a task, held from before the task is recorded: what cannot be opened then is a
    start that failed, and one that can be made again."""

    def __init__(self, order: Order) -> None:
        self.life = high(order["life"], os.O_WRONLY)
        self.namespaces = [(high(order["net"], os.O_RDONLY), CLONE_NEWNET)]
        self.late = bool(order["userns"])
        """whether nobody of us has rights over it but in its user namespace: entered last, since it has none outside"""
        if self.late:
            self.namespaces.insert(0, (high(order["userns"], os.O_RDONLY), CLONE_NEWUSER))

    def enter(self) -> None:
        """From now on this process is in it, and keeps it connected for as long as it lives, exec or not."""
        for fd, kind in self.namespaces:
            check(LIBC.setns(fd, kind), "a namespace of the network")
        fcntl.fcntl(self.life, fcntl.F_SETFD, 0)


def high(path: str, flags: int) -> int:
    """Opens a file out of the way of those with fixed numbers."""
    fd = os.open(path, flags | os.O_CLOEXEC)
    try:
        return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 64)
    finally:
        os.close(fd)


def await_order() -> Order:
    """Says that this process is ready and waits for what it is to become."""
    os.write(REPORT, b"ready\n")
    line = b""
    while not line.endswith(b"\n"):
        part = os.read(INSTRUCTIONS, 65536)
        if not part:
            os._exit(0)  # not needed any more
        line += part
    return dict(json.loads(line))


def live(groups: list[str], server: list[int], ptys: tuple[str, str]) -> None:
    """The life of a spare, from fork to exec. REPORT closes by itself on exec; its last line is the answer."""
    program = "a new process"
    try:
        enter(groups)
        leave_keyring()
        order = await_order()
        program = order["argv"][0]
        argv = [ptys[1] if word and word == ptys[0] else word for word in order["argv"]]
        lock = take_lock(order)
        uid = take_uid(order)
        for group, values in zip(groups, order["cgroup_values"], strict=True):
            for name, value in values.items():
                write(f"{group}/{name}", value)
        way = Way(order) if order["net"] else None
        record(order, {"cgroups": groups, "server": server})
        open_files(order, lock)
        calls = filter_of(order)
        if way and not way.late:
            way.enter()
        os.write(REPORT, b'{"answer": "started"}\n')
        leave_privileges(order, uid)
        if way and way.late:
            way.enter()
        os.chdir(order["folder"] or "/")
        if calls:
            confine(calls)
        os.execve(program, argv, order["env"])  # noqa: S606 - that is what we are for
    except Refused as refusal:
        os.write(REPORT, json.dumps(refusal.args[0]).encode() + b"\n")
    except OSError as error:
        answer = {"answer": "failed", "message": f"{error.strerror}: {error.filename or program}"}
        os.write(REPORT, json.dumps(answer).encode() + b"\n")
    finally:
        os._exit(127)


# --- the process that keeps them


class Spare:
    """A process that waits for its order, or is carrying it out up to its exec."""

    def __init__(self, pid: int, report: int, instructions: int, groups: list[str]) -> None:
        self.pid = pid
        self.report = report
        self.instructions = instructions
        self.groups = groups
        self.order: Order | None = None
        self.said = b""

    def answer(self) -> Order:
        """What the process said last before it closed its report."""
        lines = self.said.splitlines()
        if not lines or lines[-1] == b"ready":
            return {"answer": "failed", "message": "a new process died before it became the sandbox"}
        return dict(json.loads(lines[-1]))


class Task(NamedTuple):
    """A process that has become a task."""

    status: str
    write_exit_code: bool
    groups: list[str]

    def write_down(self, exit_code: int) -> None:
        """Leaves, where bubblewrap writes what it knows, what only the parent and the cgroup know."""
        values: dict[str, Any] = {}
        if exit_code and out_of_memory(self.groups):
            values["out-of-memory"] = True
        if self.write_exit_code:
            values["exit-code"] = exit_code
        if values:
            with contextlib.suppress(OSError):
                fd = os.open(self.status, os.O_WRONLY | os.O_APPEND)
                os.write(fd, json.dumps(values).encode() + b"\n")
                os.close(fd)


def out_of_memory(groups: list[str]) -> bool:
    """Whether the kernel killed something in these cgroups for want of memory."""
    for group in groups:
        for name in ("memory.events", "memory.oom_control"):  # version 2, version 1
            with contextlib.suppress(OSError), open(f"{group}/{name}", encoding="ascii") as file:
                for line in file:
                    key, _, value = line.partition(" ")
                    if key == "oom_kill" and int(value):
                        return True
    return False


class Forkserver:
    """Takes orders, hands them to spares, collects the ended."""

    def __init__(self, orders: int, wakeup: int, spares: int, ptys: str, parents: list[str]) -> None:
        self.orders = orders
        self.wakeup = wakeup
        self.wanted = spares
        self.terminals = Terminals(ptys)
        self.in_use: dict[str, str] = {}  # places for terminals by the cgroup that is removed last, or by pid
        self.parents = parents
        self.identity = [os.getpid(), start_time()]
        self.forked = 0
        self.pending = b""
        self.queue: deque[tuple[Order, bytes]] = deque()
        self.spares: dict[int, Spare] = {}  # by the fd of their reports
        self.ready: deque[Spare] = deque()
        self.tasks: dict[int, Task] = {}  # by pid
        self.unused: dict[int, list[str]] = {}  # by pid: cgroups of processes that have not become a task
        self.doomed: deque[str] = deque()  # cgroups to remove when there is time: the kernel may take 10 ms
        self.poll = select.poll()

    def serve(self) -> None:
        """Works until the orchestrator has gone and every task has ended."""
        self.poll.register(self.orders, select.POLLIN)
        self.poll.register(self.wakeup, select.POLLIN)
        self.replenish()
        listening = True
        while listening or self.tasks or self.unused:
            # One that is still busy is tried again a little later.
            events = self.poll.poll(0 if self.doomed else None) or self.poll.poll(self.remove_one())
            for fd, _ in events:
                if fd == self.wakeup:
                    with contextlib.suppress(BlockingIOError):
                        os.read(self.wakeup, 4096)
                    self.collect_the_ended()
                elif fd in self.spares:
                    self.hear(self.spares[fd])
                elif fd == self.orders and listening and not self.take_orders():
                    listening = False
                    self.poll.unregister(self.orders)
                    self.dismiss()
        for _ in range(len(self.doomed)):
            self.remove_one()

    def remove_one(self) -> int | None:
        """Removes a cgroup that nobody needs any more. The time in ms after which to go on, None for no need to."""
        if not self.doomed:
            return None
        group = self.doomed.popleft()
        try:
            os.rmdir(group)
        except FileNotFoundError:
            pass
        except OSError:
            self.doomed.append(group)
            return 50
        # A cgroup can be removed only when no process is left in it.
        self.terminals.give_back(self.in_use.pop(group, ""), unused=True)
        return 0 if self.doomed else None

    def replenish(self) -> None:
        """Forks as many spares as are wanted beyond those that waiting orders will use up."""
        free = sum(1 for spare in self.spares.values() if spare.order is None)
        for _ in range(free, self.wanted + len(self.queue)):
            self.fork()

    def fork(self) -> None:
        """One more spare."""
        self.forked += 1
        groups = [f"{parent}/{self.identity[0]}-{self.identity[1]}-{self.forked}" for parent in self.parents]
        place = self.terminals.take()
        hearing, report = os.pipe()
        instructions, telling = os.pipe()
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            # Python ignores SIGPIPE and SIGXFSZ, and exec would hand that on.
            for number in (signal.SIGCHLD, signal.SIGPIPE, signal.SIGXFSZ):
                signal.signal(number, signal.SIG_DFL)
            os.dup2(report, REPORT, inheritable=False)
            os.dup2(instructions, INSTRUCTIONS, inheritable=False)
            os.closerange(FIRST_FREE_FD, 65536)
            live(groups, self.identity, (self.terminals.folder, place))
        os.close(report)
        os.close(instructions)
        os.set_blocking(hearing, False)
        self.unused[pid] = groups
        self.in_use[groups[-1] if groups else str(pid)] = place
        self.spares[hearing] = Spare(pid, hearing, telling, groups)
        self.poll.register(hearing, select.POLLIN)

    def hear(self, spare: Spare) -> None:
        """Takes in what a spare says: that it is ready, or, when it closes its report, how its order went."""
        try:
            said = os.read(spare.report, 65536)
        except BlockingIOError:
            return
        if said:
            spare.said += said
            if spare.said == b"ready\n":
                self.ready.append(spare)
                self.hand_out()
            return
        self.poll.unregister(spare.report)
        del self.spares[spare.report]
        os.close(spare.report)
        os.close(spare.instructions)
        if spare in self.ready:
            self.ready.remove(spare)
        answer = spare.answer()
        order = spare.order
        if order is None and self.queue:  # it broke before it had one; forking another could go on for ever
            order = self.queue.popleft()[0]
        if answer["answer"] == "started" and order is not None and spare.pid in self.unused:
            del self.unused[spare.pid]
            self.tasks[spare.pid] = Task(order["status"], order["write_exit_code"], spare.groups)
        if order is not None:
            self.reply(order, answer)

    def take_orders(self) -> bool:
        """Takes in what has arrived. False when nothing can arrive any more."""
        try:
            data = os.read(self.orders, 1 << 20)
        except ConnectionResetError:
            data = b""
        *lines, self.pending = (self.pending + data).split(b"\n")
        self.queue.extend((json.loads(line), line + b"\n") for line in lines)
        self.hand_out()
        self.replenish()
        return bool(data)

    def hand_out(self) -> None:
        """Gives waiting orders to ready spares."""
        while self.queue and self.ready:
            spare = self.ready.popleft()
            spare.order, line = self.queue.popleft()
            with contextlib.suppress(BrokenPipeError):  # it died: the end of its report says so
                os.write(spare.instructions, line)

    def reply(self, order: Order, answer: Order) -> None:
        """Tells the orchestrator, if it is still there."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            os.write(self.orders, json.dumps({**answer, "id": order["id"]}).encode() + b"\n")

    def dismiss(self) -> None:
        """Sends the spares home."""
        self.wanted = 0
        self.queue.clear()
        for spare in self.spares.values():
            if spare.order is None:
                os.kill(spare.pid, signal.SIGKILL)

    def collect_the_ended(self) -> None:
        """Reaps, but writes down first what will be asked for: then the process disappears from /proc."""
        while self.tasks or self.unused:
            info = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if info is None:
                return
            for spare in [one for one in self.spares.values() if one.pid == info.si_pid]:
                self.hear_out(spare)
            task = self.tasks.pop(info.si_pid, None)
            if task is not None:
                exited = info.si_code == os.CLD_EXITED
                task.write_down(info.si_status if exited else 128 + info.si_status)
            os.waitpid(info.si_pid, 0)
            self.doomed.extend(task.groups if task else self.unused.pop(info.si_pid, []))
            self.terminals.give_back(self.in_use.pop(str(info.si_pid), ""), unused=False)

    def hear_out(self, spare: Spare) -> None:
        """Hears a spare that has ended to its last word, so that a task is known as one before it is collected."""
        while spare.report in self.spares:
            self.hear(spare)


def main() -> None:
    """Leaves the orchestrator's process family, makes room for the tasks' files, serves."""
    if os.fork():
        os._exit(0)
    os.setsid()
    orders = fcntl.fcntl(0, fcntl.F_DUPFD_CLOEXEC, FIRST_FREE_FD)
    nothing = fcntl.fcntl(os.open("/dev/null", os.O_RDWR), fcntl.F_DUPFD_CLOEXEC, FIRST_FREE_FD)
    for fd in range(FIRST_FREE_FD):
        if fd != 2:  # standard error stays: it is the log of this process
            os.dup2(nothing, fd, inheritable=fd < 2)
    wakeup, alarm = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(alarm, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    gc.disable()
    gc.freeze()
    Forkserver(orders, wakeup, int(sys.argv[1]), sys.argv[2], sys.argv[3:]).serve()


if __name__ == "__main__":
    main()
