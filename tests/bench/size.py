"""How much of everything is measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Size:
    floor: int
    """children of one measurement of the floor"""
    short: int
    """tests of the short burst"""
    long: int
    """tests of the long one"""
    queued: int
    """tests that wait while nothing runs"""
    calls: int
    """submissions one after another"""
    idle: int
    """tests one after another on an idle system, in each of two rounds"""
    stamps: int
    """lines with a time in them"""
    flood: int
    """lines of the test that prints many"""
    packages: int
    """packages one after another"""
    package_mib: int
    """size of the one that memory is looked at with"""
    stored: int
    """tests that lists are made from"""
    warm_starts: int
    settle_s: float
    """between the end of work and a look at what it took"""


FULL: Final = Size(
    floor=200,
    short=200,
    long=1000,
    queued=1000,
    calls=200,
    idle=30,
    stamps=300,
    flood=60_000,
    packages=40,
    package_mib=128,
    stored=100_000,
    warm_starts=3,
    settle_s=2.0,
)
QUICK: Final = Size(
    floor=20,
    short=20,
    long=40,
    queued=50,
    calls=20,
    idle=5,
    stamps=30,
    flood=5_000,
    packages=5,
    package_mib=24,
    stored=2_000,
    warm_starts=1,
    settle_s=0.7,
)
