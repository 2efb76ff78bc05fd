"""The small process that starts sandboxes: forks, enters the cgroup, records the start, changes the user, becomes bubblewrap.

It exists because a fork of the orchestrator is slow and stops its event loop, and because setpriv, prlimit and sh would cost
an exec each. Standard library only, run as a script (`python -S -I`); it knows paths and numbers from its orders, nothing of
tests. Each order and each answer is one JSON line on fd 0. When the orchestrator goes away, it ends with the last task.
"""

# pathlib would only make every fork dearer.
# ruff: noqa: PTH

import contextlib
import fcntl
import gc
import json
import os
import resource
import select
import signal
from typing import Any

Order = dict[str, Any]

FIRST_FREE_FD = 8  # below are the places of a task's files: 0 context, 1 output, 2 errors, 3 result, 4 status, 5 lock
CREATE = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC


class Refused(Exception):
    """The task must not be started; `args[0]` is the answer to the order."""


def start_time(pid: int | str) -> int:
    """When a process started, in clock ticks since boot: with its pid and the boot id it names a process for good."""
    fd = os.open(f"/proc/{pid}/stat", os.O_RDONLY)
    try:
        stat = os.read(fd, 1024)
    finally:
        os.close(fd)
    return int(stat[stat.rindex(b")") + 2 :].split()[19])  # proc(5): field 22, counted behind the name


def enter_cgroups(groups: list[tuple[str, dict[str, str]]]) -> None:
    """Makes each cgroup with its limits and moves this process into it, before anything of the task runs."""
    for folder, values in groups:
        with contextlib.suppress(FileExistsError):
            os.mkdir(folder, 0o755)
        for name, value in (*values.items(), ("cgroup.procs", "0")):
            fd = os.open(f"{folder}/{name}", os.O_WRONLY)
            os.write(fd, value.encode())
            os.close(fd)


def take_lock(order: Order) -> int | None:
    """Takes the lock that a build holds for as long as one of its processes lives."""
    if not order["lock"]:
        return None
    lock = os.open(order["lock"], os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise Refused({"answer": "busy"}) from None
    if os.path.exists(order["unless"]):  # somebody built it while this order was on its way
        raise Refused({"answer": "busy"})
    return lock


def record_start(order: Order) -> dict[str, Any]:
    """Writes down which process the task is, in one step that only one process can ever make for this task: a symbolic
    link holds its text from the moment it exists, and making it fails when it is there. So no crash, here or in the
    orchestrator, can start a task twice."""
    facts = {**order["facts"], "pid": os.getpid(), "start": start_time("self")}
    try:
        os.symlink(json.dumps(facts), order["record"])
    except FileExistsError:
        raise Refused({"answer": "exists"}) from None
    return facts


def open_files(order: Order, lock: int | None) -> None:
    """Puts the task's files into their places. The context leaves the disk here: it holds the agent's secrets."""
    context = os.open(order["context"], os.O_RDONLY | os.O_CLOEXEC)
    files = [
        (context, 0),
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


def leave_privileges(order: Order) -> None:
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
    if order["uid"] is not None:
        os.setgroups([])
        os.setresgid(order["uid"], order["uid"], order["uid"])
        os.setresuid(order["uid"], order["uid"], order["uid"])


def become(order: Order, report: int) -> None:
    """The child's side, from fork to exec. `report` closes by itself on exec; what was written to it is the answer."""
    try:
        for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them, and exec would hand that on
            signal.signal(number, signal.SIG_DFL)
        lock = take_lock(order)
        enter_cgroups(order["cgroups"])
        facts = record_start(order)
        open_files(order, lock)
        os.write(report, json.dumps({"answer": "started", "facts": facts}).encode() + b"\n")
        leave_privileges(order)
        os.chdir(order["folder"] or "/")
        os.execve(order["argv"][0], order["argv"], order["env"])  # noqa: S606 - that is what we are for
    except Refused as refusal:
        os.write(report, json.dumps(refusal.args[0]).encode() + b"\n")
    except OSError as error:
        message = f"{error.strerror}: {error.filename or order['argv'][0]}"
        os.write(report, json.dumps({"answer": "failed", "message": message}).encode() + b"\n")
    finally:
        os._exit(127)


def read_all(fd: int) -> bytes:
    """What the child reports until it becomes the sandbox or ends."""
    parts = []
    while part := os.read(fd, 65536):
        parts.append(part)
    return b"".join(parts)


class Forkserver:
    """The parent's side: takes orders, forks, collects the ended."""

    def __init__(self, orders: int, wakeup: int) -> None:
        self.orders = orders
        self.wakeup = wakeup
        self.children: dict[int, str | None] = {}
        self.pending = b""

    def serve(self) -> None:
        """Works until the orchestrator has gone and every task has ended."""
        poll = select.poll()
        poll.register(self.orders, select.POLLIN)
        poll.register(self.wakeup, select.POLLIN)
        listening = True
        while listening or self.children:
            for fd, _ in poll.poll():
                if fd == self.wakeup:
                    with contextlib.suppress(BlockingIOError):
                        os.read(self.wakeup, 4096)
                    self.collect_the_ended()
                elif not self.take_orders():
                    listening = False
                    poll.unregister(self.orders)

    def take_orders(self) -> bool:
        """Carries out what has arrived. False when nothing can arrive any more."""
        try:
            data = os.read(self.orders, 1 << 20)
        except ConnectionResetError:
            data = b""
        if not data:
            return False
        *lines, self.pending = (self.pending + data).split(b"\n")
        for line in lines:
            order = json.loads(line)
            answer = self.launch(order)
            try:
                os.write(self.orders, json.dumps({**answer, "id": order["id"]}).encode() + b"\n")
            except (BrokenPipeError, ConnectionResetError):
                return False
        return True

    def launch(self, order: Order) -> dict[str, Any]:
        """Starts one task and says how that went. Waits for the exec, under a millisecond, so that the answer is final."""
        reading, report = os.pipe()
        pid = os.fork()
        if pid == 0:
            become(order, report)
        os.close(report)
        self.children[pid] = order["status"] if order["write_exit_code"] else None
        said = read_all(reading).splitlines()
        os.close(reading)
        if not said:
            return {"answer": "failed", "message": "the new process died before it became the sandbox"}
        return dict(json.loads(said[-1]))  # a failed exec speaks after "started"

    def collect_the_ended(self) -> None:
        """Reaps, and leaves the exit code where bwrap would have left it, before the process disappears from /proc."""
        while self.children:
            info = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if info is None:
                return
            status = self.children.pop(info.si_pid, None)
            if status is not None:
                code = info.si_status if info.si_code == os.CLD_EXITED else 128 + info.si_status
                with contextlib.suppress(OSError):
                    fd = os.open(status, os.O_WRONLY | os.O_APPEND)
                    os.write(fd, json.dumps({"exit-code": code}).encode() + b"\n")
                    os.close(fd)
            os.waitpid(info.si_pid, 0)


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
    Forkserver(orders, wakeup).serve()


if __name__ == "__main__":
    main()
