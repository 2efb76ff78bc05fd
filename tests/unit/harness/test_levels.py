from __future__ import annotations

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.orchestrator.harness.src.levels import Levels, level_of, says_nothing

FORMATS = [
    ("DEBUG: x", "debug"),
    ("INFO", "info"),
    ("INFO:root:hello", "info"),
    ("WARNING x", "warning"),
    ("WARN x", "warning"),
    ("[ERROR] x", "error"),
    ("ERROR: x", "error"),
    ("CRITICAL - x", "critical"),
    ("ERRORS happen", "info"),
    ("Error: x", "error"),
    ("hello", "info"),
    ("", "info"),
    ("[", "info"),
    ("an ERROR", "info"),
    ("2026-01-02 03:04:05,123 - my.agent - INFO - starting", "info"),
    ("2026-01-02 03:04:05,123 - my.agent - WARNING - careful", "warning"),
    ("2026-01-02 03:04:05,123 - my.agent - ERROR - it broke", "error"),
    ("[INFO] bracketed", "info"),
    ('{"level": "ERROR", "message": "json line"}', "error"),
    ("2026-01-02 03:04:05.123 | ERROR    | agent:run:7 - loguru shape", "error"),
    ("Information about INFORMATION", "info"),
    ("ERRORS: 0", "info"),
    ("info: lower case", "info"),
    ("\x1b[31mERROR\x1b[0m coloured level", "error"),
    ("Errors found: 0", "info"),
    ("Error handling is hard", "info"),
    ("error: x", "error"),
    ("Warning: y", "warning"),
    ("warning signs", "info"),
    ("2026-01-02T03:04:05Z ERROR x", "error"),
    ("[2026-01-02 03:04:05,123] ERROR in app: x", "error"),
    ("[2026-01-02 03:04:05,123: ERROR/MainProcess] x", "error"),
    ("[2026-01-02 03:04:05 +0000] [123] [ERROR] Starting", "error"),
    ("[03:04:05] WARNING  msg   f.py:1", "warning"),
    ("[01/02/26 03:04:05] ERROR    msg", "error"),
    ("2026/01/02 03:04:05 [error] 123#0: *1 x", "error"),
    ("2026-01-02 03:04:05 [error    ] event   key=value", "error"),
    ("\x1b[2m2026-01-02T03:04:05Z\x1b[0m [\x1b[31m\x1b[1merror    \x1b[0m] boom", "error"),
    ("2026-01-02T03:04:05.1Z [\x1b[32m\x1b[1minfo     \x1b[0m] \x1b[1mno error here\x1b[0m", "info"),
    ("2026-01-02 03:04:05,123:ERROR:name:msg", "error"),
    ("2026-01-02 03:04:05,123:my.agent:ERROR:msg", "error"),
    ("2026-01-02 03:04:05 [MainThread] ERROR com.foo - msg", "error"),
    ("2026-01-02 03:04:05,1 my.agent ERROR boom", "error"),
    ("2026-01-02 03:04:05 got an ERROR back", "info"),
    ("2026-01-02 03:04:05 error: something", "error"),
    ("2026-01-02T03:04:05.000Z\terror\tlogger\tf.go:12\tmsg", "error"),
    ("2026-01-02 03:04:05 an error: something", "info"),
    ("my.agent - ERROR - x", "error"),
    ("httpx:ERROR:x", "error"),
    ("web_1  | ERROR: x", "error"),
    ("worker [ERROR] x", "error"),
    ("worker [error] x", "info"),
    ("time=2026-01-02T03:04:05Z level=error msg=x", "error"),
    ("level=warning x=1", "warning"),
    ('ts=1 lvl="error"', "error"),
    ("set level=debug for details", "info"),
    ("DEBUG=1", "info"),
    ("DEBUG = True", "info"),
    ("ERROR-free", "info"),
    ("E0102 15:04:05.000000 1 f.go:12] x", "error"),
    ("W0102 15:04:05.000000 1 f.go:12] x", "warning"),
    ("I0102 15:04:05.000000 1 f.go:12] error", "info"),
    ("E1234 is a code", "info"),
    ("[E 2026-01-02 03:04:05.678 ServerApp] x", "error"),
    ("[W 03:04:05.678 NotebookApp] x", "warning"),
    ("INFO:     Started server process", "info"),
    ("WARNING:  x", "warning"),
    ("ERROR:    Exception in ASGI application", "error"),
    ("FATAL: x", "critical"),
    ("fatal: not a git repository", "critical"),
    ("TRACE x", "debug"),
    ("NOTICE x", "info"),
    ("SEVERE: x", "error"),
    ("EMERG x", "critical"),
    ("ALERT x", "critical"),
    ("2026-01-02 03:04:05 TRACE x", "debug"),
    ('{"level":50,"time":1767322445,"msg":"x"}', "error"),
    ('{"level":50,"name":"hero"}', "info"),
    ('{"severity":"WARNING","message":"x"}', "warning"),
    ('{"levelname":"CRITICAL"}', "critical"),
    ('{"lvl":"warn"}', "warning"),
    ('{"log.level":"error"}', "error"),
    ('{"log":{"level":"error"}}', "error"),
    ('{"text":"x","record":{"level":{"name":"ERROR","no":40}}}', "error"),
    ('{"level":"high"}', "info"),
    ("{'level': 'error'}", "info"),
    ('{"level": "error"', "info"),
    ('  {"level":"debug"}  ', "debug"),
    ("/a/b.py:3: UserWarning: careful", "warning"),
    ("x: UserWarning: careful", "info"),
    ("ValueError: x", "info"),
    ("Level: high", "info"),
    ("no errors", "info"),
    ("[ERROR/MainProcess] x", "error"),
    ("[warning] x", "warning"),
    ("[Error] x", "error"),
    ("(ERROR) x", "error"),
    ("Jan  2 03:04:05 host app[12]: ERROR: x", "error"),
    ("1767322445.123 ERROR x", "error"),
    ("3:04PM INF no error", "info"),
    ("ERR x", "info"),
    ("Alert: price dropped", "info"),
    ("critical: x", "critical"),
    ("Critical thinking: x", "info"),
    ("DEBUG:root:x", "debug"),
    ("2026-01-02 03:04:05,123 DEBUG    my.agent: x", "debug"),
    ("2026-01-02 03:04:05,123 INFO sqlalchemy.engine.Engine ERROR in here", "info"),
    ('127.0.0.1 - - [02/Jan/2026 03:04:05] "GET /error HTTP/1.1" 404 -', "info"),
    ("Debug mode: off", "info"),
    (" * Debug mode: off", "info"),
    ("2026-01-02 03:04:05 | error | x", "error"),
    ("2026-01-02 03:04:05 - x - error - y", "error"),
    ("   ERROR: indented", "error"),
    ("10 errors: none", "info"),
    ("ERROR_COUNT: 0", "info"),
    ("2026-01-02: 3 warnings", "info"),
    ("Step 3: ERROR", "info"),
]


@pytest.mark.parametrize(("text", "level"), FORMATS)
def test_a_level_is_found_in_the_usual_formats_and_nowhere_else(text: str, level: str) -> None:
    assert level_of(text) == level


@pytest.mark.parametrize(("text", "level"), FORMATS)
def test_what_is_skipped_in_a_crowd_has_the_usual_level(text: str, level: str) -> None:
    if says_nothing(f"a\n{text}\nb".encode()):
        assert Levels().of(text) == level == "info"


@given(st.text(max_size=300))
def test_any_text_has_a_level(text: str) -> None:
    assert level_of(text) in {"debug", "info", "warning", "error", "critical"}


@given(
    st.sampled_from(
        [
            "%(levelname)s:%(name)s:%(message)s",
            "%(levelname)s: %(message)s",
            "[%(levelname)s] %(message)s",
            "%(asctime)s %(levelname)s %(message)s",
            "%(asctime)s %(levelname)s %(name)s %(message)s",
            "%(asctime)s - %(name)s - %(levelname)s - %(message)s",
            "%(asctime)s [%(levelname)s] %(name)s: %(message)s",
            "%(asctime)s | %(levelname)-8s | %(message)s",
            "%(asctime)s:%(levelname)s:%(name)s:%(message)s",
            "[%(asctime)s] {%(filename)s:%(lineno)d} %(levelname)s - %(message)s",
            "%(name)s - %(levelname)s - %(message)s",
            "%(levelname)-8s %(name)s %(message)s",
        ]
    ),
    st.sampled_from([("debug", 10), ("info", 20), ("warning", 30), ("error", 40), ("critical", 50)]),
    st.sampled_from(["root", "my.agent", "__main__", "httpx", "error_handler", "a.info.b"]),
    st.text(alphabet=st.characters(exclude_characters="\n\r\x1b\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"), max_size=60),
)
def test_whatever_logging_writes_in_the_usual_formats_has_its_level(
    form: str, level: tuple[str, int], name: str, message: str
) -> None:
    record = logging.LogRecord(name, level[1], "agent.py", 7, message.replace("%", ""), None, None)
    assert level_of(logging.Formatter(form).format(record)) == level[0]


TRACEBACK = """\
before
Traceback (most recent call last):
  File "agent.py", line 3, in run
    1 / 0
    ~~^~~
ZeroDivisionError: division by zero
|
During handling of the above exception, another exception occurred:
|
Traceback (most recent call last):
  File "agent.py", line 5, in run
    raise ValueError("x") from None
ValueError: x
after
  File "<string>", line 1
    def
       ^
SyntaxError: invalid syntax
after
  + Exception Group Traceback (most recent call last):
  |   File "agent.py", line 1, in <module>
  | ExceptionGroup: two (2 sub-exceptions)
  +-+---------------- 1 ----------------
    | ValueError: a
    +---------------- 2 ----------------
    | ValueError: b
    +------------------------------------
after
"""


def test_a_traceback_is_an_error_from_its_first_line_to_its_last() -> None:
    levels = Levels()
    found = [(line, levels.of(line.replace("|", "", 1) if line == "|" else line)) for line in TRACEBACK.splitlines()]
    assert [line for line, level in found if level == "info"] == ["before", "|", "|", "after", "after", "after"]
    assert {level for _, level in found} == {"info", "error"}
