"""A small assembler of classic BPF, as far as filters of system calls need it (seccomp(2), Linux
Documentation/networking/filter.rst).

Knows instructions and offsets, not which calls are refused: that is seccomp.py.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

ALLOW: Final = 0x7FFF0000  # SECCOMP_RET_ALLOW
_ERRNO: Final = 0x00050000  # SECCOMP_RET_ERRNO, with the number in the low half

LOAD: Final = 0x20  # BPF_LD | BPF_W | BPF_ABS
EQUAL: Final = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
GREATER: Final = 0x25  # BPF_JMP | BPF_JGT | BPF_K
ANY_BIT: Final = 0x45  # BPF_JMP | BPF_JSET | BPF_K
RETURN: Final = 0x06  # BPF_RET | BPF_K

NUMBER: Final = 0  # offsets in struct seccomp_data
ARCHITECTURE: Final = 4
_ARGUMENTS: Final = 16

_FORM: Final = "<HBBI"  # struct sock_filter of a little-endian machine

Way = Literal["allow", "refuse", "on"]
"""Where a test leads: an end of the rule, or its next test."""


def low(argument: int) -> int:
    """The offset of the lower half of an argument: all of an int, on a little-endian machine."""
    return _ARGUMENTS + 8 * argument


def high(argument: int) -> int:
    """The offset of the upper half of an argument."""
    return low(argument) + 4


@dataclass(frozen=True, slots=True)
class Test:
    """One look at the call."""

    at: int
    value: int
    yes: Way
    no: Way = "on"
    how: int = EQUAL


@dataclass(frozen=True, slots=True)
class Rule:
    """When a call is refused, and with which error. Where no test decides it is `otherwise`."""

    error: int
    tests: tuple[Test, ...] = ()
    otherwise: Literal["allow", "refuse"] = "refuse"

    def code(self) -> bytes:
        """Ends with a return in any case."""
        code = b""
        last = "refuse" if self.otherwise == "allow" else "allow"  # the other end stands behind the one that follows
        for place, test in enumerate(self.tests):
            left = 2 * (len(self.tests) - 1 - place)  # instructions of the tests that follow
            ways: dict[str, int] = {"on": 0, self.otherwise: left, last: left + 1}
            code += instruction(LOAD, test.at) + instruction(test.how, test.value, ways[test.yes], ways[test.no])
        return code + answer(self.error, self.otherwise) + answer(self.error, last)


def answer(error: int, way: str = "refuse") -> bytes:
    """The instruction that ends with this."""
    return instruction(RETURN, ALLOW if way == "allow" else _ERRNO | error)


def instruction(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
    """One instruction; `yes` and `no` are how many to leave out. Raises struct.error for what does not fit."""
    return struct.pack(_FORM, code, yes, no, value)


def case(number: int, code: bytes) -> bytes:
    """What happens to the call of this number, whose number is loaded. `code` must end with a return."""
    return instruction(EQUAL, number, 0, len(code) // 8) + code


def program(architecture: int, greatest: int, cases: Sequence[bytes], *, unknown: int) -> bytes:
    """The filter: calls of another architecture or above the greatest number give the error `unknown`, the rest is as
    the cases say, or allowed."""
    return b"".join(
        (
            instruction(LOAD, ARCHITECTURE),
            instruction(EQUAL, architecture, 1, 0),
            answer(unknown),
            instruction(LOAD, NUMBER),
            instruction(GREATER, greatest, 0, 1),
            answer(unknown),
            *cases,
            answer(0, "allow"),
        )
    )
