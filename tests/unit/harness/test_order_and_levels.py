"""The log of an agent is what a terminal would show: the order of its writes, and their levels."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.unit.harness.started import LIMITS, Outcome, run

Run = Callable[..., Outcome]
Shown = list[tuple[str, str, str]]


def shown(outcome: Outcome) -> Shown:
    return [(line["stream"], line["level"], line["text"]) for line in outcome.lines]


def test_case_40_print_and_logging_by_turns_stay_in_order(outcome_of: Run) -> None:
    code = """
        import logging, sys
        logging.basicConfig(level=logging.INFO, format="%(levelname)s: %(message)s")
        def run(query):
            for n in range(1, 6):
                print("step", n)
                logging.info("did step %d", n)
            return "ok"
    """
    expected = [
        line
        for n in range(1, 6)
        for line in (("stdout", "info", f"step {n}"), ("stderr", "info", f"INFO: did step {n}"))
    ]
    assert shown(outcome_of(code)) == expected


def test_case_41_levels_are_found_where_people_put_them(outcome_of: Run) -> None:
    code = r"""
        import logging
        logging.basicConfig(level=logging.INFO, format="%(asctime)s - %(name)s - %(levelname)s - %(message)s")
        log = logging.getLogger("my.agent")
        def run(query):
            log.info("starting")
            log.warning("careful")
            log.error("it broke")
            log.debug("hidden")
            print("[INFO] bracketed", flush=True)
            print('{"level": "ERROR", "message": "json line"}', flush=True)
            print('2026-01-02 03:04:05.123 | ERROR    | agent:run:7 - loguru shape', flush=True)
            print("Information about INFORMATION", flush=True)
            print("ERRORS: 0", flush=True)
            print("info: lower case", flush=True)
            print("\x1b[31mERROR\x1b[0m coloured level", flush=True)
            return "ok"
    """
    found = [(line["level"], line["text"].split(" - ")[-1]) for line in outcome_of(code).lines]
    assert found == [
        ("info", "starting"),
        ("warning", "careful"),
        ("error", "it broke"),
        ("info", "[INFO] bracketed"),
        ("error", '{"level": "ERROR", "message": "json line"}'),
        ("error", "loguru shape"),
        ("info", "Information about INFORMATION"),
        ("info", "ERRORS: 0"),
        ("info", "info: lower case"),
        ("error", "\x1b[31mERROR\x1b[0m coloured level"),
    ]


def test_children_come_where_they_wrote(outcome_of: Run) -> None:
    code = """
        import os, subprocess, sys
        def run(q):
            print("one")
            subprocess.run(["sh", "-c", "echo two; echo three >&2; echo four"], check=True)
            print("five", file=sys.stderr)
            os.system("echo six")
            if os.fork() == 0:
                print("seven", file=sys.stderr, flush=True)
                os._exit(0)
            os.wait()
            print("eight")
    """
    assert shown(outcome_of(code)) == [
        ("stdout", "info", "one"),
        ("stdout", "info", "two"),
        ("stdout", "info", "three"),  # another program has one pipe for both
        ("stdout", "info", "four"),
        ("stderr", "info", "five"),
        ("stdout", "info", "six"),
        ("stderr", "info", "seven"),
        ("stdout", "info", "eight"),
    ]


def test_logging_and_warnings_report_their_true_level_whatever_the_text_says(outcome_of: Run) -> None:
    code = """
        import logging, logging.handlers, queue, sys, warnings
        def run(q):
            out = logging.getLogger("out")
            out.addHandler(logging.StreamHandler(sys.stdout))
            out.propagate = False
            out.setLevel(1)
            out.debug("INFO is not what I am")
            out.critical("two\\nlines")
            out.log(25, "between")
            logging.getLogger("nobody listens").warning("last resort")
            queued = queue.Queue()
            listener = logging.handlers.QueueListener(queued, logging.StreamHandler())
            listener.start()
            late = logging.getLogger("late")
            late.addHandler(logging.handlers.QueueHandler(queued))
            late.propagate = False
            late.error("queued")
            listener.stop()
            warnings.warn("careful")
            print("after")
    """
    lines = shown(outcome_of(code))
    assert lines[:6] == [
        ("stdout", "debug", "INFO is not what I am"),
        ("stdout", "critical", "two"),
        ("stdout", "critical", "lines"),
        ("stdout", "info", "between"),
        ("stderr", "warning", "last resort"),
        ("stderr", "error", "queued"),
    ]
    assert {(stream, level) for stream, level, _ in lines[6:-1]} == {("stderr", "warning")}
    assert lines[6][2].endswith("UserWarning: careful")
    assert lines[-1] == ("stdout", "info", "after")


def test_text_without_a_level_is_info_on_both_streams_and_a_traceback_is_an_error(outcome_of: Run) -> None:
    code = """
        import sys, traceback
        def run(q):
            sys.stderr.write("progress\\n")
            try: raise ValueError("two\\nlines of a message")
            except ValueError: traceback.print_exc()
            sys.stderr.write("progress\\n")
            import subprocess
            subprocess.run([sys.executable or "python3", "-c", "1/0"])
            print("done")
    """
    lines = shown(outcome_of(code))
    assert [(level, text) for _, level, text in lines if level == "info"] == [
        ("info", "progress"),
        ("info", "progress"),
        ("info", "done"),
    ]
    errors = [text for _, level, text in lines if level == "error"]
    assert "lines of a message" in errors
    assert errors[-1] == "ZeroDivisionError: division by zero"


def test_a_level_that_came_with_a_record_counts_for_the_line_that_it_ends(outcome_of: Run) -> None:
    code = """
        import logging, sys
        def run(q):
            logging.basicConfig(stream=sys.stdout, format="%(message)s")
            print("working ... ", end="", flush=True)
            logging.error("failed")
            print("next")
    """
    assert shown(outcome_of(code)) == [("stdout", "error", "working ... failed"), ("stdout", "info", "next")]


def test_a_line_of_one_stream_is_not_torn_by_the_other(outcome_of: Run) -> None:
    code = """
        import sys
        def run(q):
            print("asking ... ", end="", flush=True)
            print("a note", file=sys.stderr)
            print("answered")
    """
    assert shown(outcome_of(code)) == [("stderr", "info", "a note"), ("stdout", "info", "asking ... answered")]


def test_streams_of_threads_and_forks_are_told_apart_down_to_the_last_line(outcome_of: Run) -> None:
    code = """
        import os, sys, threading
        def write(who):
            for n in range(300):
                sys.stderr.write(f"err {who} {n} {'x' * (n * 12)}\\n")
                sys.stdout.write(f"out {who} {n}\\n")
        def run(q):
            pids = []
            for child in range(2):
                pid = os.fork()
                if pid == 0:
                    write(f"child{child}")
                    os._exit(0)
                pids.append(pid)
            for pid in pids: os.waitpid(pid, 0)
            threads = [threading.Thread(target=write, args=(f"thread{n}",)) for n in range(3)]
            for thread in threads: thread.start()
            for thread in threads: thread.join()
    """
    outcome = outcome_of(code, limits={**LIMITS, "bytes": 100_000_000})
    for stream, word in (("stdout", "out"), ("stderr", "err")):
        lines = [line["text"].split()[:3] for line in outcome.lines if line["stream"] == stream]
        assert {line[0] for line in lines} == {word}
        assert len(lines) == 300 * 5
        for who in ("child0", "child1", "thread0", "thread1", "thread2"):
            assert [int(line[2]) for line in lines if line[1] == who] == list(range(300))


def test_an_agent_that_puts_a_file_in_the_place_of_standard_error_gets_its_text_and_no_frames(outcome_of: Run) -> None:
    code = """
        import os, sys
        def run(q):
            mine = os.open("errors.txt", os.O_RDWR | os.O_CREAT)
            kept = os.dup(2)
            os.dup2(mine, 2)
            print("into the file", file=sys.stderr)
            os.dup2(kept, 2)
            print("into the log", file=sys.stderr)
            return open("errors.txt").read()
    """
    outcome = outcome_of(code)
    assert outcome.response == "into the file\n"
    assert shown(outcome) == [("stderr", "info", "into the log")]


def test_a_pipe_that_does_not_wait_loses_nothing(outcome_of: Run) -> None:
    code = """
        import os, sys
        def run(q):
            os.set_blocking(1, False)
            for n in range(20_000): print("line", n, file=(sys.stdout, sys.stderr)[n % 2])
    """
    outcome = outcome_of(code)
    assert [line["text"] for line in outcome.lines] == [f"line {n}" for n in range(20_000)]


def test_streams_are_ordinary_text_files(outcome_of: Run) -> None:
    code = """
        import io, sys
        def run(q):
            out, err = sys.stdout, sys.stderr
            out.buffer.write(b"bytes\\n"); out.flush()
            err.buffer.write(b"more bytes\\n"); err.buffer.flush()
            out.reconfigure(line_buffering=False, encoding="latin-1")
            print("é"); out.flush()
            wrapped = io.TextIOWrapper(err.buffer, write_through=True, line_buffering=True)
            print("and", file=wrapped)
            wrapped.detach()
            return [isinstance(out, io.TextIOWrapper), out.isatty(), out.fileno(), err.fileno(), out.name, err.name,
                    out is sys.__stdout__, err.encoding, out.writable(), out.readable()]
    """
    outcome = outcome_of(code)
    assert outcome.response == [True, False, 1, 2, "<stdout>", "<stderr>", True, "utf-8", True, False]
    assert [line["text"] for line in outcome.lines] == ["bytes", "more bytes", "\ufffd", "and"]


def test_what_is_written_over_is_one_line_with_its_last_state(outcome_of: Run) -> None:
    code = """
        import sys
        def run(q):
            for n in range(0, 101, 10):
                sys.stderr.write(f"\\r{n:3}%|{'#' * (n // 10):10}| {n}/100")
                sys.stderr.flush()
            sys.stderr.write("\\n")
            print("windows\\r")
            sys.stdout.write("\\r\\x1b[2KDownloading 1\\r\\x1b[2KDownloading 2\\n")
            sys.stdout.write("gone\\r     \\rnext\\n")
    """
    assert shown(outcome_of(code)) == [
        ("stderr", "info", "100%|##########| 100/100"),
        ("stdout", "info", "windows"),
        ("stdout", "info", "Downloading 2"),
        ("stdout", "info", "next"),
    ]


def test_a_bar_that_runs_for_long_costs_a_line_and_not_the_limit(outcome_of: Run) -> None:
    code = """
        import sys
        def run(q):
            for n in range(30_000): sys.stderr.write(f"\\r{n} {'=' * 50}")
            sys.stderr.flush()
    """
    outcome = outcome_of(code, limits={**LIMITS, "bytes": 1000})
    assert [line["text"] for line in outcome.lines] == [f"29999 {'=' * 50}"]
    assert outcome.result["truncated"] is False


@pytest.mark.parametrize("number", ["11", "6"], ids=["segmentation-fault", "abort"])
def test_where_the_agent_was_when_it_died_is_an_error_on_standard_error(number: str, outcome_of: Run) -> None:
    outcome = outcome_of(f"import os\ndef run(q):\n    print('before')\n    os.kill(os.getpid(), {number})")
    lines = shown(outcome)
    assert lines[0] == ("stdout", "info", "before")
    assert {(stream, level) for stream, level, _ in lines[1:]} == {("stderr", "error")}
    assert lines[1][2].startswith("Fatal Python error")


def test_a_long_line_has_one_level() -> None:
    outcome = run("def run(q): print('ERROR: ' + 'x' * 40_000 + ' INFO')")
    assert [(line["level"], line.get("cont", False)) for line in outcome.lines] == [
        ("error", False),
        ("error", True),
        ("error", True),
    ]
