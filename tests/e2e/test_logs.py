"""The log of a test as who follows it sees it: words while they come, the order of a terminal, true levels."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from pathlib import Path
from typing import Any

import nats
import pytest

from assay import AsyncAssay
from deploy.setup.steps import PROJECT
from tests.support.local_mode import Command, LocalMode
from tests.support.until import until

pytestmark = pytest.mark.slow

WORDS = """\
import time

def run(query):
    for word in "The quick brown fox jumps over the lazy dog".split():
        print(word, end=" ", flush=True)
        time.sleep(0.7)
    return "done"
"""
BY_TURNS = """\
import logging, subprocess, sys
logging.basicConfig(level=logging.INFO, format="%(asctime)s - %(name)s - %(levelname)s - %(message)s")
log = logging.getLogger("my.agent")

def run(query):
    for n in range(1, 4):
        print("step", n)
        log.info("did step %d", n)
    subprocess.run(["sh", "-c", "echo child; echo problem >&2"])
    for percent in range(0, 101, 10):
        sys.stderr.write(f"\\r{percent:3} %")
    sys.stderr.write("\\n")
    log.error("it broke")
    print("\\x1b[31mred\\x1b[0m\\r")
    return "ok"
"""


async def test_case_38_words_are_seen_while_they_come_and_once(assay: Command) -> None:
    agent = assay.file("words.py", WORDS)
    following = assay.start("submit", agent, "-q", "x", "--follow")
    await until(lambda: "| The quick brown" in following.said, timeout=30)
    assert "dog" not in following.said
    ran = following.ended()
    assert ran.out.count("The quick brown fox jumps over the lazy dog") == 1
    assert ran.out.count("The quick") == 1
    assert "  1 line, complete" in ran.out


async def test_a_long_log_is_searched_and_opened_anywhere(assay: Command, client: AsyncAssay) -> None:
    code = (
        "import sys\n"
        "def run(query):\n"
        "    for n in range(1, 5001):\n"
        "        print('\x1b[32mstep\x1b[0m', n) if n % 1000 else print(f'ERROR: step {n}', file=sys.stderr)\n"
    )
    test = await client.submit(code, "x")
    async with asyncio.timeout(60):
        errors = [line.seq async for line in client.logs(test.id, follow=True, text="error:")]
    assert errors == [1000, 2000, 3000, 4000, 5000]
    found = await client.search_logs(test.id, text="STEP 1", step=500)
    assert found.complete is not None
    assert found.complete.complete
    assert (found.count, found.first_error_seq) == (1111, 1000)
    page = client.logs(test.id, from_seq=found.marks[1], text="step 1", to_seq=found.marks[2])
    assert len([line async for line in page]) == 501
    lines = assay("logs", test.id, "--first-error").out.splitlines()
    assert lines[9:12] == ["\x1b[32mstep\x1b[0m 999", "ERROR: step 1000", "\x1b[32mstep\x1b[0m 1001"]
    assert assay("logs", test.id, "--grep", "STEP 4999").out == "\x1b[32mstep\x1b[0m 4999\n"
    assert assay("logs", test.id, "--lines", "2000-2000").out == "ERROR: step 2000\n"


async def test_subscribers_of_nats_tell_a_piece_from_a_line(
    server: LocalMode, assay: Command, client: AsyncAssay
) -> None:
    bus = await nats.connect(server.known["nats_url"])
    heard: list[tuple[str, dict[str, Any]]] = []

    async def hear(message: Any) -> None:
        heard.append((message.subject.split(".")[1], json.loads(message.data)))

    try:
        test = await client.submit(WORDS.replace("0.7", "0.5"), "x")
        for domain in ("logs", "output"):
            await bus.subscribe(f"{domain}.*.*.{test.id}", cb=hear)
        await client.wait(test.id)
        await until(lambda: heard and heard[-1][0] == "completed")
    finally:
        await bus.close()
    said = [line["text"] for kind, event in heard if kind == "partial" for line in event["lines"]]
    lines = [line["text"] for kind, event in heard if kind == "appended" for line in event["lines"]]
    assert lines == ["The quick brown fox jumps over the lazy dog "]
    assert len(said) >= 5
    assert said == sorted(said, key=len)
    assert all(lines[0].startswith(text) for text in said)
    assert all("seq" not in line for kind, event in heard if kind == "partial" for line in event["lines"])


async def test_the_listener_of_the_readme_hears_a_test_from_its_first_line(
    server: LocalMode, client: AsyncAssay, tmp_path: Path
) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (PROJECT / "README.md").read_text("utf-8"), re.DOTALL)
    listener = tmp_path / "listen.py"
    listener.write_text(next(block for block in blocks if "get_msg" in block), "utf-8")
    (tmp_path / ".assay").symlink_to(server.folder)
    test = await client.submit("def run(query):\n    print('one')\n    print('two')\n", "x")
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(listener), test.id, cwd=tmp_path, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await asyncio.wait_for(process.communicate(), 60)
    assert said.decode().splitlines() == ["1 one", "2 two", "complete: True"]


async def test_cases_40_and_41_the_log_has_the_order_and_the_levels_of_a_terminal(client: AsyncAssay) -> None:
    test = await client.submit(BY_TURNS, "x")
    async with asyncio.timeout(60):
        lines = [line async for line in client.logs(test.id, follow=True)]
    said = [(line.stream.value, line.level.value, line.text.split(" - ")[-1]) for line in lines]
    assert said == [
        ("STDOUT", "INFO", "step 1"),
        ("STDERR", "INFO", "did step 1"),
        ("STDOUT", "INFO", "step 2"),
        ("STDERR", "INFO", "did step 2"),
        ("STDOUT", "INFO", "step 3"),
        ("STDERR", "INFO", "did step 3"),
        ("STDOUT", "INFO", "child"),
        ("STDOUT", "INFO", "problem"),
        ("STDERR", "INFO", "100 %"),
        ("STDERR", "ERROR", "it broke"),
        ("STDOUT", "INFO", "\x1b[31mred\x1b[0m"),
    ]
    errors = [line.text.split(" - ")[-1] async for line in client.logs(test.id, min_level="error")]
    assert errors == ["it broke"]
