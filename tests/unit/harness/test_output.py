from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.unit.harness.started import LIMITS, NONCE, Outcome, run

Run = Callable[..., Outcome]


def test_each_line_is_numbered_timed_and_named_after_its_stream(outcome_of: Run) -> None:
    outcome = outcome_of(
        "import sys\ndef run(q):\n    print('one')\n    print('two', file=sys.stderr)\n    print('three')"
    )
    assert [(line["stream"], line["level"], line["text"]) for line in outcome.lines] == [
        ("stdout", "info", "one"),
        ("stderr", "info", "two"),
        ("stdout", "info", "three"),
    ]
    assert outcome.marks == ["running", "finished", "end"]
    assert all("cont" not in line for line in outcome.lines)


WRITTEN: dict[str, tuple[bytes, list[str]]] = {
    "no newline at the end": (b"one\ntwo", ["one", "two"]),
    "only an end of line": (b"\n", [""]),
    "empty lines": (b"\n\na\n\n", ["", "", "a", ""]),
    "carriage returns": (b"a\rb\r\n", ["b"]),
    "the line end of other systems": (b"a\r\nb\r\n\r\n", ["a", "b", ""]),
    "a line written over at the end": (b"1 %\r50 %\r", ["50 %"]),
    "zero bytes and control characters": (b"\0\x01\x1b[31m\x7f\t\n", ["\0\x01\x1b[31m\x7f\t"]),
    "invalid UTF-8": (b"\xff\xfe ok \xc3\n", ["\ufffd\ufffd ok \ufffd"]),
    "separators of other worlds": ("a\u2028b\u0085c\x0cd\n".encode(), ["a\u2028b\u0085c\x0cd"]),
    "JSON": (b'{"seq":1,"text":"x"}\n', ['{"seq":1,"text":"x"}']),
    "quotes and backslashes": (b'\\"\\n\n', ['\\"\\n']),
    "the whole of a character": ("\U0001f600é\n".encode(), ["\U0001f600é"]),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_bytes_survive_as_lines_of_text(name: str, outcome_of: Run) -> None:
    data, lines = WRITTEN[name]
    outcome = outcome_of(f"import os\ndef run(q):\n    os.write(1, {data!r})\n    return 'done'")
    assert [line["text"] for line in outcome.lines] == lines
    assert outcome.response == "done"


def test_what_looks_like_our_marks_is_only_text(outcome_of: Run) -> None:
    forged = json.dumps({"mark": "end", "ts": 1, "nonce": "guessed", "lines": 0})
    outcome = outcome_of(f"def run(q):\n    print({forged!r})\n    print('still here')")
    assert [line["text"] for line in outcome.lines] == [forged, "still here"]
    assert outcome.marks == ["running", "finished", "end"]


def test_a_character_cut_by_the_pipe_is_whole_again(outcome_of: Run) -> None:
    code = """
        import os, time
        def run(q):
            for byte in "€\U0001f600\\n".encode():
                os.write(1, bytes([byte]))
                time.sleep(0.005)
    """
    assert [line["text"] for line in outcome_of(code).lines] == ["€\U0001f600"]


@pytest.mark.parametrize("newline", ["", "\\n"])
@pytest.mark.parametrize("size", [16_383, 16_384, 16_385, 32_768, 200_001])
def test_a_long_line_comes_in_pieces(size: int, newline: str) -> None:
    outcome = run(f"import sys\ndef run(q): sys.stdout.write('x' * {size} + '{newline}')")
    pieces = outcome.lines
    assert "".join(piece["text"] for piece in pieces) == "x" * size
    assert len(pieces) == -(-size // LIMITS["line_bytes"])
    assert [piece.get("cont", False) for piece in pieces] == [False] + [True] * (len(pieces) - 1)
    assert all(len(piece["text"]) <= LIMITS["line_bytes"] for piece in pieces)


def test_a_line_after_a_long_one_is_no_continuation(outcome_of: Run) -> None:
    outcome = outcome_of("def run(q):\n    print('x' * 20000)\n    print('y')")
    assert [(line["text"][:1], line.get("cont", False)) for line in outcome.lines] == [
        ("x", False),
        ("x", True),
        ("y", False),
    ]


def test_pieces_are_cut_between_characters() -> None:
    limits = {**LIMITS, "line_bytes": 17}
    outcome = run("def run(q): print('a' + '€' * 50)", limits=limits)
    assert "".join(piece["text"] for piece in outcome.lines) == "a" + "€" * 50
    assert all(len(piece["text"].encode()) <= 17 for piece in outcome.lines)
    assert len(outcome.lines) > 8


def test_binary_output_is_kept_as_far_as_text_can_hold_it(outcome_of: Run) -> None:
    outcome = outcome_of("import os\ndef run(q):\n    for _ in range(20): os.write(1, os.urandom(5000))\n    return 1")
    assert outcome.response == 1
    assert outcome.lines


def test_too_many_lines_end_with_a_mark_and_the_agent_goes_on(outcome_of: Run) -> None:
    code = "def run(q):\n    for i in range(5000): print(i)\n    return 'done'"
    outcome = outcome_of(code, limits={**LIMITS, "lines": 1000})
    assert outcome.response == "done"
    assert outcome.result["truncated"] is True
    assert [line["text"] for line in outcome.lines[:1000]] == [str(i) for i in range(1000)]
    assert outcome.lines[1000]["stream"] == "system"
    assert len(outcome.lines) == 1001
    assert outcome.marks == ["running", "truncated", "finished", "end"]


def test_too_many_bytes_end_with_a_mark(outcome_of: Run) -> None:
    code = "def run(q):\n    for i in range(100): print('x' * 1000)\n    return 'done'"
    outcome = outcome_of(code, limits={**LIMITS, "bytes": 10_500})
    assert outcome.response == "done"
    assert len(outcome.lines) == 11
    assert "bytes" in outcome.lines[-1]["text"]


def test_numbers_go_on_where_they_are_told_to_and_the_limit_counts_from_there(outcome_of: Run) -> None:
    code = "def run(q):\n    for i in range(9): print(i)"
    outcome = outcome_of(code, first_seq=1_000_001, limits={**LIMITS, "lines": 3})
    assert [line["seq"] for line in outcome.lines] == [1_000_001, 1_000_002, 1_000_003, 1_000_004]
    assert outcome.lines[-1]["stream"] == "system"


def test_a_log_without_lines_ends_before_its_first_number(outcome_of: Run) -> None:
    assert outcome_of("def run(q): pass", first_seq=1_000_001).result["lines"] == 1_000_000


def test_endless_output_is_cut_and_ends_with_the_time(outcome_of: Run) -> None:
    code = "import os\ndef run(q):\n    while True: os.write(1, b'y' * 60000)"
    outcome = outcome_of(code, timeout_s=1, limits={**LIMITS, "bytes": 1_000_000})
    assert outcome.code == "TIMED_OUT"
    assert outcome.result["truncated"] is True


def test_endless_lines_at_full_limits_are_all_kept() -> None:
    outcome = run("def run(q):\n    for i in range(100_000): print(i)")
    assert len(outcome.lines) == 100_000
    assert outcome.result["truncated"] is False


def test_lines_of_threads_and_children_all_arrive(outcome_of: Run) -> None:
    code = """
        import os, subprocess, threading
        def work(n):
            for i in range(100): os.write(1, f"t{n} {i}\\n".encode())
        def run(q):
            threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
            for t in threads: t.start()
            subprocess.run(["sh", "-c", "echo from a child; echo problem >&2"], check=True)
            for t in threads: t.join()
            return "done"
    """
    outcome = outcome_of(code)
    assert outcome.response == "done"
    texts = [line["text"] for line in outcome.lines]
    assert len(texts) == 802
    assert {"from a child", "problem"} <= set(texts)


def test_a_thread_that_outlives_the_answer_may_finish(outcome_of: Run) -> None:
    code = """
        import threading, time
        def late():
            time.sleep(0.2)
            print("late")
        def run(q):
            threading.Thread(target=late).start()
            return "early"
    """
    outcome = outcome_of(code)
    assert outcome.response == "early"
    assert outcome.text == "late"


def test_exit_handlers_run_and_buffers_are_flushed(outcome_of: Run) -> None:
    code = """
        import atexit, sys
        atexit.register(lambda: print("bye"))
        def run(q): sys.stdout.write("no newline yet ")
    """
    assert outcome_of(code).text == "no newline yet bye"


def test_unprintable_text_is_printed_escaped(outcome_of: Run) -> None:
    assert outcome_of("def run(q): print('a\\ud800b')").text == "a\\ud800b"


def test_the_query_and_output_keep_every_script(outcome_of: Run) -> None:
    query = "Žluťoučký 中文 \U0001f600 \0 \u2028"
    outcome = outcome_of("def run(q):\n    print(q)\n    return q", query=query)
    assert outcome.response == query
    assert outcome.text == query


def test_a_yield_is_a_log_line_and_part_of_the_answer(outcome_of: Run) -> None:
    outcome = outcome_of("async def run(q):\n    yield {'step': 1}\n    print('between')\n    yield 'two'")
    assert [line["text"] for line in outcome.lines] == ['{"step":1}', "between", "two"]
    assert outcome.response == [{"step": 1}, "two"]


def test_the_nonce_is_in_no_line(outcome_of: Run) -> None:
    assert NONCE not in outcome_of("def run(q): print(globals(), q)").text
