"""Tests of every kind for the pages to show: made once, by whoever asks first."""

from __future__ import annotations

from typing import NamedTuple

from tests.support.local_mode import Command

TALKS = """
def run(query):
    print("\\033[32mINFO\\033[0m: reading the question")
    print("WARNING: the third document is empty")
    for number in range(40):
        print(f"DEBUG: step {number} of 40")
    print("ERROR: one source did not answer, going on without it")
    return {"answer": f"You asked: {query}", "sources": ["handbook.md", "prices.csv"], "confidence": 0.87}
"""
WRITES = """
def run(query):
    notice = ["# Summary", "", "The shop is **open** until *six*.", "", "- [x] doors", "- [ ] lights", ""]
    return "\\n".join([*notice, "| day | hours |", "| --- | --- |", "| Mon | 9-18 |"])
"""
BREAKS = """
def run(query):
    print("looking for the order")
    orders = {}
    return orders["4711"]
"""
SLOW = """
import time

def run(query):
    print("still here")
    time.sleep(600)
"""


class Seeded(NamedTuple):
    """Ids of tests that have ended, each its own way."""

    passed: str
    markdown: str
    failed: str
    retried: str
    cancelled: str


def seed(assay: Command) -> Seeded:
    """Hands in five small tests, waits for their ends, and has a package made of one."""

    def submit(name: str, code: str, query: str, *more: str) -> str:
        file = assay.file(f"{name}.py", code)
        ran = assay("submit", file, "-q", query, "--label", "team=shop", *more, "--json")
        assert ran.code == 0, ran.err
        return str(ran.json["id"])

    slow = submit(
        "slow_agent", "import time\n\ndef run(query):\n    print('still here')\n    time.sleep(600)\n", "never ends"
    )
    passed = submit("support_bot", TALKS, "Is there a discount for schools?")
    markdown = submit("shop_writer", WRITES, "Write the notice for the door")
    failed = submit("order_finder", BREAKS, "Where is order 4711?")
    for test in (passed, markdown, failed):
        assay("watch", test)
    retried = str(assay("retry", failed, "-q", "Where is order 4712?", "--json").json["id"])
    assay("watch", retried)
    assert assay("package", markdown, "--service-name", "shop-writer").code == 0
    assert assay("cancel", slow, "--reason", "seen enough").code == 0
    assay("watch", slow)
    return Seeded(passed, markdown, failed, retried, slow)
