"""The work that is measured: one small agent, and the same thing as a bare child."""

from __future__ import annotations

from typing import Final

LINES: Final = 20

AGENT: Final = f"""
def run(query):
    for number in range({LINES}):
        print("line", number, "of", query)
    return {{"answer": query, "lines": {LINES}}}
"""
"""Prints 20 lines and returns a small JSON answer."""

CHILD: Final = f"""
import os, sys
for number in range({LINES}):
    print("line", number, "of", "a question")
sys.stdout.flush()
os.write(int(sys.argv[1]), b'{{"answer": "a question", "lines": {LINES}}}')
"""
"""The same as a script: the answer goes to the descriptor that it is given."""

HOLDER: Final = """
import time
def run(query):
    time.sleep(float(query))
"""
"""Holds its slot, so that what is submitted behind it waits."""

TICKER: Final = """
import time
def run(query):
    count, pause, *first = query.split()
    time.sleep(float(first[0]) if first else 0.3)
    for _ in range(int(count)):
        time.sleep(float(pause))
        print(repr(time.time()), flush=True)
"""
"""Prints the time at which it prints, line by line: so many lines, with this pause, from so many seconds on."""

FLOOD: Final = """
import sys, time
def run(query):
    rest = "x" * 60
    print(repr(time.time()), flush=True)
    sys.stdout.write("".join(f"{number} {rest}\\n" for number in range(int(query) - 1)))
"""
"""Prints many lines at once; the first says when."""
