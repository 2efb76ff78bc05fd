# query: "2"
# answer: "LARGE"
"""A member by its value."""
from enum import IntEnum


class Size(IntEnum):
    SMALL = 1
    LARGE = 2


def run(size: Size):
    return size.name
