"""The figures: their names, units and goals, and the lines that they are printed as."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TextIO


@dataclass(frozen=True, slots=True)
class Goal:
    """A bound for a figure, or for its ratio to the floor."""

    bound: float
    at_least: bool = False
    times_floor: bool = False

    def __str__(self) -> str:
        return f"{'>=' if self.at_least else '<='} {self.bound:g}{' x floor' if self.times_floor else ''}"

    def met(self, value: float, ratio: float | None) -> bool | None:
        """None where there is nothing to compare with."""
        measured = ratio if self.times_floor else value
        if measured is None:
            return None
        return measured >= self.bound if self.at_least else measured <= self.bound


@dataclass(frozen=True, slots=True)
class Kind:
    """What one figure is."""

    unit: str
    meaning: str
    goal: Goal | None = None


def _most(bound: float) -> Goal:
    return Goal(bound)


def _least(bound: float) -> Goal:
    return Goal(bound, at_least=True)


MS: Final = "ms"
PER_TEST: Final = "ms/test"
CPU: Final = "CPU ms/test"
MIB: Final = "MiB"

KINDS: Final[Mapping[str, Kind]] = {
    "floor_bare": Kind("ms/child", "the work as bare children, 10 at once, results to a file"),
    "floor_sandbox": Kind("ms/child", "the same in the product's sandbox, with its user and its limits"),
    "makespan_short": Kind(PER_TEST, "a short burst of tests, from the first submission to the last end"),
    "makespan_long": Kind(PER_TEST, "a long one", Goal(2.0, times_floor=True)),
    "cpu_control_plane": Kind(CPU, "our services, mongod and nats-server together", _most(12)),
    "cpu_services": Kind(CPU, "the five services, the syntax checker and the fork server"),
    "cpu_mongod": Kind(CPU, "mongod"),
    "cpu_nats": Kind(CPU, "nats-server"),
    "cpu_sandbox": Kind(CPU, "bubblewrap, harness and agent"),
    "store_operations": Kind("round trips/test", "commands that mongod was sent", _most(8)),
    "store_bytes": Kind("KiB/test", "to and from mongod"),
    "bus_messages": Kind("messages/test", "events in JetStream", _most(8)),
    "bus_bytes": Kind("KiB/test", "of events in JetStream"),
    "submit_rate": Kind("1/s", "accepted with 32 callers while nothing runs", _least(1000)),
    "submit_p50": Kind(MS, "one caller with pauses, nothing runs", _most(3)),
    "submit_p99": Kind(MS, "one caller with pauses, nothing runs"),
    "submit_loaded_p50": Kind(MS, "one caller while 10 tests run and others wait"),
    "submit_loaded_p99": Kind(MS, "one caller while 10 tests run and others wait", _most(25)),
    "idle_p50": Kind(MS, "one test on an idle system, submission to its end seen through a stream", _most(45)),
    "idle_p99": Kind(MS, "the same", _most(80)),
    "log_latency_p50": Kind(MS, "line printed to line at a gRPC subscriber", _most(15)),
    "log_latency_p99": Kind(MS, "the same", _most(60)),
    "log_throughput": Kind(
        "lines/s", "one test, one subscriber: first line printed to last line seen", _least(100_000)
    ),
    "console_latency_p50": Kind(
        MS,
        "line printed to line at a tab of the console; the floor is a gRPC subscriber beside it",
        Goal(2.0, times_floor=True),
    ),
    "console_throughput": Kind("lines/s", "stored output to one tab of the console"),
    "page_usable": Kind(
        MS,
        "the list of tests in a fresh browser, from its address to its rows; the floor is a small picture",
        _most(1000),
    ),
    "page_script": Kind("KiB", "script that this takes, as gzip makes it", _most(300)),
    "page_line_p50": Kind(
        MS, "line printed to line on the screen of a browser; the floor is a gRPC subscriber beside it", _most(100)
    ),
    "page_frame": Kind(MS, "longest frame while a long log is scrolled fast; the floor is the page at rest", _most(50)),
    "console_memory": Kind(MIB, "RSS that 100 tabs with 3 feeds each add in the console", _most(40)),
    "memory_idle": Kind(MIB, "RSS of all processes", _most(450)),
    "memory_idle_ours": Kind(MIB, "RSS of our processes", _most(150)),
    "memory_queued": Kind(MIB, "RSS that waiting tests add in all processes", _most(20)),
    "package_p50": Kind(MS, "package of a tested agent on local S3, request to ready seen by the caller", _most(150)),
    "package_p99": Kind(MS, "the same"),
    "package_memory": Kind(MIB, "RSS that writing an object of 128 MiB to S3 adds", _most(48)),
    "history_median": Kind(MS, "a page of a list over many stored tests: the median of all sorts of questions"),
    "history_slowest": Kind(MS, "the same: the median of the slowest sort", _most(20)),
    "history_reports": Kind(MS, "usage and cost of a month with 200 users, totals with 200 due: the slowest sort"),
    "start_cold": Kind("s", "`assay dev` in an empty folder to the first SubmitTest accepted"),
    "start_warm": Kind("s", "the same in a folder with data", _most(2.5)),
    "help": Kind("s", "`assay --help`", _most(0.25)),
}


class Report:
    """Prints the wanted figures as they come in."""

    def __init__(self, wanted: Iterable[str], outputs: Sequence[TextIO]) -> None:
        self.wanted = frozenset(wanted)
        self._outputs = outputs

    def wants(self, *figures: str) -> bool:
        """Whether one of `figures` was asked for."""
        return not self.wanted.isdisjoint(figures)

    def add(self, figure: str, value: float, *, n: int, floor: float | None = None, **detail: Any) -> None:
        """One figure of `n` measurements. Its ratio is to `floor`, which was measured beside it."""
        kind = KINDS[figure]
        ratio = value / floor if floor else None
        if figure in self.wanted:
            self.write(
                {
                    "figure": figure,
                    "value": _rounded(value),
                    "unit": kind.unit,
                    "floor": _rounded(floor),
                    "ratio": _rounded(ratio),
                    "goal": str(kind.goal) if kind.goal else None,
                    "met": kind.goal.met(value, ratio) if kind.goal else None,
                    "n": n,
                    "load": round(os.getloadavg()[0], 1),
                    **{name: _rounded(more) for name, more in detail.items()},
                }
            )

    def write(self, line: Mapping[str, Any]) -> None:
        """One line, everywhere."""
        for output in self._outputs:
            print(json.dumps(line), file=output, flush=True)


def percentile(values: Iterable[float], percent: float) -> float:
    """The smallest value that so many percent do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def _rounded(value: Any) -> Any:
    """Four digits: more would be noise."""
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, Mapping):
        return {name: _rounded(more) for name, more in value.items()}
    return value
