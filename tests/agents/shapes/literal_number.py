# query: "2"
# answer: 4
# call: "run(int(query))"
"""A choice of numbers."""
from typing import Literal


def run(query: Literal[1, 2, 3]):
    return query * 2
