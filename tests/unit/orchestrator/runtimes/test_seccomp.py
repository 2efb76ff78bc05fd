"""The filter of system calls, run by an interpreter of our own: what holds on aarch64 can be seen on any machine."""

from __future__ import annotations

import re
import struct
from errno import EAFNOSUPPORT, ENOSYS, EPERM, EPROTONOSUPPORT
from pathlib import Path
from typing import NamedTuple

import pytest

from services.orchestrator.runtimes import bpf, seccomp

MACHINES = ("x86_64", "aarch64")
HIGH = 1 << 32
HEADERS = {
    "x86_64": Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    "aarch64": Path("/usr/include/asm-generic/unistd.h"),
}


ALLOWED = 0
DONE = -1  # the kernel says so and does nothing


def run(program: bytes, architecture: int, number: int, *arguments: int) -> int:
    """The error that the kernel would give, ALLOWED or DONE."""
    values = (*arguments, *[0] * (6 - len(arguments)))
    data = struct.pack("<IIQ6Q", number, architecture, 0, *[value % (1 << 64) for value in values])
    code = list(struct.iter_unpack("<HBBI", program))
    at, loaded = 0, 0
    while True:
        operation, yes, no, value = code[at]
        at += 1
        if operation == bpf.LOAD:
            (loaded,) = struct.unpack_from("<I", data, value)
        elif operation == bpf.RETURN:
            return ALLOWED if value == bpf.ALLOW else value & 0xFFFF or DONE
        else:
            held = {bpf.EQUAL: loaded == value, bpf.GREATER: loaded > value, bpf.ANY_BIT: bool(loaded & value)}[
                operation
            ]
            at += yes if held else no


class Call(NamedTuple):
    name: str
    arguments: tuple[int, ...]
    error: int


CALLS = [
    *(Call(name, (), EPERM) for name in ("keyctl", "add_key", "request_key", "bpf", "ptrace", "process_vm_readv")),
    *(Call(name, (), EPERM) for name in ("mount", "move_mount", "fsopen", "pivot_root", "setns", "open_by_handle_at")),
    *(Call(name, (), EPERM) for name in ("userfaultfd", "perf_event_open", "kexec_load", "pidfd_getfd", "init_module")),
    *(Call(name, (), ENOSYS) for name in ("io_uring_setup", "io_uring_enter", "io_uring_register", "clone3")),
    *(Call(name, (), ENOSYS) for name in ("io_setup", "io_submit", "io_getevents", "io_pgetevents")),
    *(Call(name, (), DONE) for name in ("sync", "syncfs")),
    Call("prlimit64", (0, 7, 1, 0), 0),
    Call("prlimit64", (1, 7, 0, 1), 0),
    Call("prlimit64", (1, 1, 1, 0), EPERM),
    Call("prlimit64", (1, 1, HIGH, 0), EPERM),
    Call("prlimit64", (HIGH + 1, 1, 1, 0), EPERM),
    Call("prlimit64", (25, 1, 1, 0), EPERM),
    Call("prlimit64", (0, 4, 0, 1), 0),
    Call("prlimit64", (0, 4, 1, 0), DONE),
    Call("prlimit64", (0, HIGH + 4, HIGH, 0), DONE),
    Call("setrlimit", (4, 1), DONE),
    Call("setrlimit", (7, 1), 0),
    Call("sched_setaffinity", (0, 8, 1), 0),
    Call("sched_setaffinity", (12, 8, 1), 0),
    Call("sched_setaffinity", (1, 8, 1), EPERM),
    Call("sched_setaffinity", (HIGH + 1, 8, 1), EPERM),
    Call("sched_setscheduler", (1, 3, 1), EPERM),
    Call("sched_setattr", (1, 1, 0), EPERM),
    Call("setpriority", (0, 0, 5), 0),
    Call("setpriority", (0, 12, 5), 0),
    Call("setpriority", (0, 1, 5), EPERM),
    Call("setpriority", (1, 0, 5), 0),
    Call("setpriority", (1, 12, 5), EPERM),
    Call("setpriority", (2, 0, 5), EPERM),
    Call("ioprio_set", (1, 0, 5), 0),
    Call("ioprio_set", (1, 1, 5), EPERM),
    Call("ioprio_set", (3, 0, 5), EPERM),
    Call("rt_sigqueueinfo", (1, 15, 1), EPERM),
    Call("rt_sigqueueinfo", (12, 15, 1), 0),
    Call("rt_tgsigqueueinfo", (1, 1, 15, 1), EPERM),
    Call("pidfd_send_signal", (3, 15, 0, 0), 0),
    Call("pidfd_send_signal", (3, 15, HIGH, 0), EPERM),
    Call("migrate_pages", (1,), EPERM),
    Call("move_pages", (0,), 0),
    Call("clone", (0x1200011,), 0),
    Call("clone", (0x3D0F00,), 0),
    Call("clone", (0x10000011,), EPERM),
    Call("clone", (0x20011,), EPERM),
    Call("unshare", (0x400,), 0),
    Call("unshare", (0x40000000,), EPERM),
    Call("unshare", (0x80,), EPERM),
    Call("ioctl", (0, 0x5401), 0),
    Call("ioctl", (0, 0x5412), EPERM),
    Call("ioctl", (0, HIGH + 0x5412), EPERM),
    Call("ioctl", (0, 0x541C), EPERM),
    Call("personality", (0xFFFFFFFF,), 0),
    Call("personality", (0x400000,), EPERM),
    Call("socketpair", (1, 1, 0), 0),
    Call("socketpair", (40, 1, 0), EAFNOSUPPORT),
    Call("socket", (1, 1, 0), 0),
    Call("socket", (2, 1, 0), 0),
    Call("socket", (2, 1, 6), 0),
    Call("socket", (10, 2, 17), 0),
    Call("socket", (1, 5, 0), 0),
    Call("socket", (2, 0x80801, 0), 0),
    Call("socket", (10, 0x80003, 58), 0),
    Call("socket", (2, 5, 0), EPROTONOSUPPORT),
    Call("socket", (2, 0x80806, 0), EPROTONOSUPPORT),
    Call("socket", (10, HIGH + 5, 0), EPROTONOSUPPORT),
    Call("socket", (2, 1, 132), EPROTONOSUPPORT),
    Call("socket", (10, 1, 262), EPROTONOSUPPORT),
    Call("socket", (16, 3, 0), 0),
    Call("socket", (16, 3, 15), EPROTONOSUPPORT),
    *(Call("socket", (family, 1, 0), EAFNOSUPPORT) for family in (0, 17, 21, 30, 31, 38, 40, 44)),
]


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("call", CALLS, ids=str)
def test_each_call_is_answered_as_the_table_says(machine: str, call: Call) -> None:
    number = getattr(seccomp.NUMBERS[call.name], machine)
    assert run(seccomp.program(machine), seccomp.ARCHITECTURES[machine], number, *call.arguments) == call.error


@pytest.mark.parametrize("machine", MACHINES)
def test_calls_that_are_not_named_are_allowed_up_to_the_last_that_was_looked_at(machine: str) -> None:
    named = {getattr(numbers, machine) for numbers in seccomp.NUMBERS.values()}
    program, architecture = seccomp.program(machine), seccomp.ARCHITECTURES[machine]
    others = [number for number in range(seccomp.GREATEST + 1) if number not in named]
    refused = [number for number in others if run(program, architecture, number)]
    assert refused == (sorted([156, 174, 177, 173, 172, 154, 178, 139, 134, 136]) if machine == "x86_64" else [])
    assert run(program, architecture, seccomp.GREATEST + 1) == ENOSYS


@pytest.mark.parametrize("machine", MACHINES)
def test_calls_of_another_architecture_do_not_exist(machine: str) -> None:
    program = seccomp.program(machine)
    i386, arm = 0x40000003, 0x40000028
    assert [run(program, other, 0) for other in (i386, arm, 0)] == [ENOSYS] * 3
    assert run(program, seccomp.ARCHITECTURES[machine], 0x40000000 | 250) == ENOSYS  # x32


@pytest.mark.parametrize("machine", MACHINES)
def test_the_kernel_takes_a_program_of_this_size(machine: str) -> None:
    program = seccomp.program(machine)
    assert len(program) % 8 == 0
    assert len(program) // 8 < 4096  # BPF_MAXINSNS


@pytest.mark.parametrize("machine", MACHINES)
def test_the_numbers_are_those_of_the_kernels_headers(machine: str) -> None:
    if not HEADERS[machine].exists():
        pytest.skip("linux-libc-dev is not installed")
    found = re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)\b", HEADERS[machine].read_text())
    headers = {name: int(number) for name, number in found}
    differing = [
        name
        for name, numbers in seccomp.NUMBERS.items()
        if name in headers and headers[name] != getattr(numbers, machine)
    ]
    assert differing == []
    assert len(headers.keys() & seccomp.NUMBERS.keys()) > 60


def test_there_is_none_for_other_machines() -> None:
    assert not seccomp.supported("riscv64")
