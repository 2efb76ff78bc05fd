"""The parent: takes orders, keeps forked processes ready in cgroups of their own, hands each order to one of them, and
collects those that have ended.

It exists because a fork of the orchestrator is slow and stops its event loop, because setpriv, prlimit and sh
would cost an exec each, and because entering a cgroup takes the kernel 10 ms when nobody did it lately: that
must be over when an order comes. Standard library only, without site-packages; it knows paths and numbers from its
orders, nothing of tests. Each order and each answer is one JSON line on fd 0. When the orchestrator goes away it ends
with the last task. Its arguments: SPARES PTYS CGROUP_PARENT...
"""

# pathlib would only make every fork dearer.
# ruff: noqa: PTH106

from __future__ import annotations

import contextlib
import fcntl
import gc
import json
import os
import select
import signal
import sys
from collections import deque

from services.orchestrator.runtimes.forkserver.becoming import FIRST_FREE_FD, INSTRUCTIONS, REPORT, Order, live
from services.orchestrator.runtimes.forkserver.confinement import leave_keyring
from services.orchestrator.runtimes.forkserver.started import Spare, Task
from services.orchestrator.runtimes.forkserver.terminals import Terminals
from services.orchestrator.runtimes.kernel import start_time


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
    leave_keyring()  # that of the services
    gc.disable()
    gc.freeze()
    Forkserver(orders, wakeup, int(sys.argv[1]), sys.argv[2], sys.argv[3:]).serve()
