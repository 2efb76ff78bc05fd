"""The life of a process that is kept ready: it waits for its order, takes what is the task's (lock, user, files,
network), and becomes the program. Standard library only.

The order of the steps is what makes a crash harmless: nothing is taken from the disk before the task is recorded.
"""

# pathlib would only make every fork dearer.
# ruff: noqa: PTH108, PTH110, PTH211

from __future__ import annotations

import errno
import fcntl
import json
import os
import resource
import struct
from typing import Any, Final, NoReturn

from services.orchestrator.runtimes.forkserver.confinement import confine, filter_of, leave_keyring
from services.orchestrator.runtimes.forkserver.way import Way
from services.orchestrator.runtimes.kernel import enter_groups, start_time, write

Order = dict[str, Any]

REPORT, INSTRUCTIONS, FIRST_FREE_FD = 6, 7, 8  # below: 0 context, 1 output, 2 errors, 3 result, 4 status, 5 lock
_CONTENTS: Final = 8  # of files that go along, where there are any
_FILTER: Final = 9  # of system calls, for a program that loads it itself
_HELD: Final = 10  # and above: what is only held open
_CREATE: Final = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC


class Refused(Exception):
    """The task must not be started; `args[0]` is the answer to the order."""


def take_uid(order: Order) -> int | None:
    """A user id that no other running task of this machine has: a lock on its byte of a file says so, and is held by
    whatever is left of the task. `None` where this process may not choose."""
    if order["uids"] is None:
        return order["uid"]  # type: ignore[no-any-return]
    path, first, count = order["uids"]
    held = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    held = fcntl.fcntl(held, fcntl.F_DUPFD, _HELD)  # to outlive the exec
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
        (os.open(order["output"], _CREATE | os.O_APPEND, 0o644), 1),
        (os.open(order["errors"], _CREATE | os.O_APPEND, 0o600), 2),
        (os.open(order["result"], _CREATE, 0o600), 3),
        (os.open(order["status"], _CREATE | os.O_APPEND, 0o600), 4),
    ]
    if lock is not None:
        files.append((lock, 5))
    for fd, place in files:
        os.dup2(fd, place)
    os.unlink(order["context"])
    if order["contents"]:
        contents = os.open(order["contents"], os.O_RDONLY | os.O_CLOEXEC)
        if contents != _CONTENTS:
            os.dup2(contents, _CONTENTS)
        fcntl.fcntl(_CONTENTS, fcntl.F_SETFD, 0)  # to outlive the exec
        os.unlink(order["contents"])
    if order["filter"]:
        filtering = os.open(order["filter"], os.O_RDONLY | os.O_CLOEXEC)
        if filtering != _FILTER:
            os.dup2(filtering, _FILTER)
        fcntl.fcntl(_FILTER, fcntl.F_SETFD, 0)


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


def live(groups: list[str], server: list[int], ptys: tuple[str, str]) -> NoReturn:
    """The life of a spare, from fork to exec. REPORT closes by itself on exec; its last line is the answer."""
    program = "a new process"
    try:
        enter_groups(groups)
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
