"""Which system calls a task may not make (ADR 31): a table, and the filter for this machine made of it.

Pure: what loads the filter is bubblewrap, or the fork server where there is none. A call that is refused gives an
error, as on a system that does not have it or does not allow it: libraries then take another way.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from errno import EAFNOSUPPORT, ENOSYS, EPERM, EPROTONOSUPPORT
from typing import Final, NamedTuple

from services.orchestrator.runtimes import bpf
from services.orchestrator.runtimes.bpf import ANY_BIT, Rule, Test, high, low


class Numbers(NamedTuple):
    """One call by its number on each architecture."""

    x86_64: int
    aarch64: int


GREATEST: Final = 462
"""The last call that was looked at when this was written (mseal). What newer kernels add gives ENOSYS."""

ARCHITECTURES: Final = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
"""AUDIT_ARCH_* of linux/audit.h. 32-bit calls on the same machine have another one, and those of x32 numbers above
GREATEST: both give ENOSYS."""

_HARNESS: Final = 1  # the pid of process 1 inside
_AF_UNIX, _AF_INET, _AF_INET6, _AF_NETLINK = 1, 2, 10, 16
_NETLINK_ROUTE: Final = 0
_PROTOCOLS: Final = (0, 1, 6, 17, 58)  # none named, ICMP, TCP, UDP, ICMPv6; the others load kernel modules
_RLIMIT_CORE: Final = 4
_OTHER_KINDS: Final = 0xC  # of sockets: bits of RDM, SEQPACKET, DCCP and PACKET that STREAM, DGRAM and RAW have not
_PRIO_PROCESS, _PRIO_PGRP, _IOPRIO_WHO_PROCESS = 0, 1, 1
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C  # put words into a terminal's mouth
_NAMESPACES: Final = 0x7E020000  # CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET
_NEWTIME: Final = 0x80  # of unshare; clone has the exit signal there
_PERSONAS: Final = (0, 0x8, 0x20000, 0x20008, 0x40000, 0xFFFFFFFF)  # Linux, 32-bit uname, addresses not random, asking

# Numbers: arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h of Linux 6.1, as Debian's
# linux-libc-dev ships them; a test compares them.
NUMBERS: Final[Mapping[str, Numbers]] = {
    "acct": Numbers(163, 89),
    "add_key": Numbers(248, 217),
    "adjtimex": Numbers(159, 171),
    "bpf": Numbers(321, 280),
    "chroot": Numbers(161, 51),
    "clock_adjtime": Numbers(305, 266),
    "clock_settime": Numbers(227, 112),
    "clone": Numbers(56, 220),
    "clone3": Numbers(435, 435),
    "delete_module": Numbers(176, 106),
    "fanotify_init": Numbers(300, 262),
    "finit_module": Numbers(313, 273),
    "fsconfig": Numbers(431, 431),
    "fsmount": Numbers(432, 432),
    "fsopen": Numbers(430, 430),
    "fspick": Numbers(433, 433),
    "init_module": Numbers(175, 105),
    "io_cancel": Numbers(210, 3),
    "io_destroy": Numbers(207, 1),
    "io_getevents": Numbers(208, 4),
    "io_pgetevents": Numbers(333, 292),
    "io_setup": Numbers(206, 0),
    "io_submit": Numbers(209, 2),
    "io_uring_enter": Numbers(426, 426),
    "io_uring_register": Numbers(427, 427),
    "io_uring_setup": Numbers(425, 425),
    "ioctl": Numbers(16, 29),
    "ioprio_set": Numbers(251, 30),
    "kcmp": Numbers(312, 272),
    "kexec_file_load": Numbers(320, 294),
    "kexec_load": Numbers(246, 104),
    "keyctl": Numbers(250, 219),
    "listmount": Numbers(458, 458),
    "lookup_dcookie": Numbers(212, 18),
    "migrate_pages": Numbers(256, 238),
    "mount": Numbers(165, 40),
    "mount_setattr": Numbers(442, 442),
    "move_mount": Numbers(429, 429),
    "move_pages": Numbers(279, 239),
    "nfsservctl": Numbers(180, 42),
    "open_by_handle_at": Numbers(304, 265),
    "open_tree": Numbers(428, 428),
    "perf_event_open": Numbers(298, 241),
    "personality": Numbers(135, 92),
    "pidfd_getfd": Numbers(438, 438),
    "pidfd_send_signal": Numbers(424, 424),
    "pivot_root": Numbers(155, 41),
    "prlimit64": Numbers(302, 261),
    "process_madvise": Numbers(440, 440),
    "process_mrelease": Numbers(448, 448),
    "process_vm_readv": Numbers(310, 270),
    "process_vm_writev": Numbers(311, 271),
    "ptrace": Numbers(101, 117),
    "quotactl": Numbers(179, 60),
    "quotactl_fd": Numbers(443, 443),
    "reboot": Numbers(169, 142),
    "request_key": Numbers(249, 218),
    "rt_sigqueueinfo": Numbers(129, 138),
    "rt_tgsigqueueinfo": Numbers(297, 240),
    "sched_setaffinity": Numbers(203, 122),
    "sched_setattr": Numbers(314, 274),
    "sched_setparam": Numbers(142, 118),
    "sched_setscheduler": Numbers(144, 119),
    "setdomainname": Numbers(171, 162),
    "sethostname": Numbers(170, 161),
    "setns": Numbers(308, 268),
    "setpriority": Numbers(141, 140),
    "setrlimit": Numbers(160, 164),
    "settimeofday": Numbers(164, 170),
    "socket": Numbers(41, 198),
    "socketpair": Numbers(53, 199),
    "statmount": Numbers(457, 457),
    "swapoff": Numbers(168, 225),
    "swapon": Numbers(167, 224),
    "sync": Numbers(162, 81),
    "syncfs": Numbers(306, 267),
    "syslog": Numbers(103, 116),
    "umount2": Numbers(166, 39),
    "unshare": Numbers(272, 97),
    "userfaultfd": Numbers(323, 282),
    "vhangup": Numbers(153, 58),
}
_X86_ONLY: Final[Mapping[str, int]] = {
    "_sysctl": 156,
    "create_module": 174,
    "get_kernel_syms": 177,
    "ioperm": 173,
    "iopl": 172,
    "modify_ldt": 154,
    "query_module": 178,
    "sysfs": 139,
    "uselib": 134,
    "ustat": 136,
}

_ABSENT: Final = (
    # The number is all that a filter sees of clone3: its flags are in memory. glibc then takes clone.
    "clone3",
    # A second way to most calls, past the filter; libuv, tokio and others fall back to epoll.
    *("io_uring_setup", "io_uring_enter", "io_uring_register"),
    *("statmount", "listmount"),
    # Places for it are the machine's (fs.aio-max-nr), and one call takes them all.
    *("io_setup", "io_destroy", "io_submit", "io_cancel", "io_getevents", "io_pgetevents"),
)
_NOT_DONE: Final = ("sync", "syncfs")
"""Answered as done: they would write out what all of the machine has in memory, its databases included, as often as
somebody likes. What is a task's lies in memory, or is an installation that can be made again."""
_FORBIDDEN: Final = (
    *("keyctl", "add_key", "request_key"),  # keys are not in any namespace
    *("mount", "umount2", "pivot_root", "chroot", "setns"),
    *("move_mount", "open_tree", "fsopen", "fsconfig", "fsmount", "fspick", "mount_setattr"),
    *("ptrace", "process_vm_readv", "process_vm_writev", "pidfd_getfd", "kcmp"),  # into other processes
    *("process_madvise", "process_mrelease"),
    *("bpf", "perf_event_open", "userfaultfd", "fanotify_init", "lookup_dcookie", "open_by_handle_at"),
    *("kexec_load", "kexec_file_load", "init_module", "finit_module", "delete_module", "reboot"),
    *("swapon", "swapoff", "acct", "quotactl", "quotactl_fd", "nfsservctl", "vhangup", "syslog"),
    *("settimeofday", "clock_settime", "clock_adjtime", "adjtimex", "sethostname", "setdomainname"),
)


def _on_the_harness(*, pid: int = 0) -> Rule:
    """Refused where the argument `pid` is process 1. Other pids are the agent's own, and glibc names its threads so."""
    return Rule(EPERM, (Test(low(pid), _HARNESS, "refuse"),), "allow")


def _only(argument: int, *values: int, error: int = EPERM) -> Rule:
    """Refused where the argument, an int, is none of these."""
    return Rule(error, tuple(Test(low(argument), value, "allow") for value in values))


def _without(argument: int, bits: int) -> Rule:
    """Refused where the argument has one of these bits."""
    return Rule(EPERM, (Test(low(argument), bits, "refuse", how=ANY_BIT),), "allow")


RULES: Final[Mapping[str, Rule]] = {
    # Limits of others may be asked for (new_limit is NULL), and set for oneself only.
    "prlimit64": Rule(
        EPERM,
        (Test(low(0), 0, "allow"), Test(low(2), 0, "on", "refuse"), Test(high(2), 0, "allow", "refuse")),
    ),
    # The limit on dumps stays as it is, 1 (orders.py), whatever a program says: many set it to 0.
    "setrlimit": Rule(0, (Test(low(0), _RLIMIT_CORE, "refuse"),), "allow"),
    "sched_setaffinity": _on_the_harness(),
    "sched_setscheduler": _on_the_harness(),
    "sched_setparam": _on_the_harness(),
    "sched_setattr": _on_the_harness(),
    "setpriority": Rule(
        # Of a process other than the harness, or of the own group; never of all of the user's.
        EPERM,
        (
            Test(low(1), _HARNESS, "refuse"),
            Test(low(0), _PRIO_PROCESS, "allow"),
            Test(low(0), _PRIO_PGRP, "on", "refuse"),
            Test(low(1), 0, "allow"),
        ),
    ),
    "ioprio_set": Rule(EPERM, (Test(low(1), _HARNESS, "refuse"), Test(low(0), _IOPRIO_WHO_PROCESS, "allow", "refuse"))),
    "migrate_pages": _only(0, 0),
    "move_pages": _only(0, 0),
    # A signal with data says itself who sent it: to the harness one could pose as the orchestrator.
    "rt_sigqueueinfo": _on_the_harness(),
    "rt_tgsigqueueinfo": _on_the_harness(),
    "pidfd_send_signal": Rule(EPERM, (Test(low(2), 0, "on", "refuse"), Test(high(2), 0, "allow", "refuse"))),
    "clone": _without(0, _NAMESPACES),
    "unshare": _without(0, _NAMESPACES | _NEWTIME),
    # An ioctl's number is 32 bits wide: what is above is no way around (CVE-2019-10063).
    "ioctl": Rule(EPERM, (Test(low(1), _TIOCSTI, "refuse"), Test(low(1), _TIOCLINUX, "refuse")), "allow"),
    "personality": _only(0, *_PERSONAS),
    "socketpair": _only(0, _AF_UNIX, error=EAFNOSUPPORT),
}

_INET: Final = Rule(
    EPROTONOSUPPORT,
    (
        # With no protocol named the kind of socket chooses one: SCTP, DCCP.
        Test(low(1), _OTHER_KINDS, "refuse", how=ANY_BIT),
        *(Test(low(2), protocol, "allow") for protocol in _PROTOCOLS),
    ),
)
_NETLINK: Final = _only(2, _NETLINK_ROUTE, error=EPROTONOSUPPORT)


def _prlimit() -> bytes:
    """As the rule says; a limit on dumps, if one is given, is not set and told as set."""
    core = Rule(0, (Test(low(2), 0, "on", "refuse"), Test(high(2), 0, "allow", "refuse")))
    return bpf.instruction(bpf.LOAD, low(1)) + bpf.case(_RLIMIT_CORE, core.code()) + RULES["prlimit64"].code()


def _socket() -> bytes:
    """Sockets of four families, each with the protocols that programs need."""
    code = bpf.instruction(bpf.LOAD, low(0))
    for family, rule in ((_AF_INET, _INET), (_AF_INET6, _INET), (_AF_NETLINK, _NETLINK)):
        code += bpf.case(family, rule.code())
    return code + bpf.case(_AF_UNIX, bpf.answer(0, "allow")) + bpf.answer(EAFNOSUPPORT)


def supported(machine: str = "") -> bool:
    """Whether there is a filter for this machine, or for one of that name."""
    return (machine or platform.machine()) in ARCHITECTURES


def program(machine: str = "") -> bytes:
    """The filter for this machine, or for one of that name, as bubblewrap reads it. Raises KeyError."""
    machine = machine or platform.machine()
    architecture = ARCHITECTURES[machine]
    codes = {
        **dict.fromkeys(_ABSENT, bpf.answer(ENOSYS)),
        **dict.fromkeys(_FORBIDDEN, bpf.answer(EPERM)),
        **dict.fromkeys(_NOT_DONE, bpf.answer(0)),
        **{name: rule.code() for name, rule in RULES.items()},
        "prlimit64": _prlimit(),
        "socket": _socket(),
    }
    cases = [bpf.case(getattr(NUMBERS[name], machine), code) for name, code in codes.items()]
    if machine == "x86_64":
        cases += [bpf.case(number, bpf.answer(EPERM)) for number in _X86_ONLY.values()]
    return bpf.program(architecture, GREATEST, cases, unknown=ENOSYS)
