"""Which file of a project is the agent's, and how it is read."""

import pytest

from services.gateway.archives.agent_file import MOST_CODE, choose, decoded


@pytest.mark.parametrize(
    ("paths", "more", "wanted"),
    [
        (["agent.py", "main.py", "app.py"], {}, "agent.py"),
        (["main.py", "app.py", "tools.py"], {}, "main.py"),
        (["app.py", "tools.py"], {}, "app.py"),
        (["bot.py", "prompts/a.txt"], {}, "bot.py"),
        (["bot.py", "test_bot.py", "setup.py", "conftest.py"], {}, "bot.py"),
        (["bot.py", "src/agent.py"], {}, "src/agent.py"),
        (["src/main.py", "src/pkg/main.py"], {}, "src/main.py"),
        (["src/bot.py", "src/pkg/a.py"], {}, "src/bot.py"),
        (["pkg/__init__.py", "pkg/__main__.py", "pkg/agent.py"], {}, "pkg/__main__.py"),
        (["src/pkg/__init__.py", "src/pkg/__main__.py"], {}, "src/pkg/__main__.py"),
        (["my_agent/__init__.py", "my_agent/agent.py", "my_agent/tools.py"], {}, "my_agent/agent.py"),
        (["src/app/__init__.py", "src/app/main.py", "src/app/agent.py"], {}, "src/app/agent.py"),
        (["a.py", "b.py", "src/app/main.py"], {"named": "b.py"}, "b.py"),
        (["a.py", "b.py"], {"named": "./b.py"}, "b.py"),
        (["agent.py", "src/app/main.py"], {"entrypoint": "app.main:run"}, "src/app/main.py"),
        (["agent.py", "app/__init__.py"], {"entrypoint": "app:run"}, "app/__init__.py"),
        (["agent.py", "pkg/__main__.py"], {"entrypoint": "pkg.__main__"}, "pkg/__main__.py"),
        (["main.py"], {"entrypoint": "run"}, "main.py"),
        (["main.py"], {"entrypoint": "langgraph.prebuilt:run"}, "main.py"),
    ],
)  # fmt: skip
def test_the_agents_file_is_found(paths: list[str], more: dict[str, str], wanted: str) -> None:
    assert choose(paths, **more) == (wanted, "")


@pytest.mark.parametrize(
    ("paths", "more", "words"),
    [
        (["a.py", "b.py"], {}, "agent_path: a.py, b.py"),
        (["x/agent.py", "y/agent.py"], {}, "x/agent.py, y/agent.py"),
        (["readme.md"], {}, "no Python file"),
        (["server.py", "src/app/main.py"], {}, "agent_path: server.py, src/app/main.py"),
        (["a/__main__.py", "b/__main__.py"], {}, "a/__main__.py, b/__main__.py"),
        (["main.py"], {"named": "agent.py"}, "not among the files; there are main.py"),
        (["main.py", "run.sh"], {"named": "run.sh"}, "not a Python file"),
        ([f"{i}.py" for i in range(20)], {}, "and 12 more"),
    ],
)
def test_what_is_not_clear_names_the_candidates(paths: list[str], more: dict[str, str], words: str) -> None:
    choice = choose(paths, **more)
    assert choice.path == ""
    assert words in choice.problem


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"x = 1\r\n", "x = 1\r\n"),
        (b"\xef\xbb\xbfx = '\xc3\xa4'\n", "x = 'ä'\n"),
        (b"# -*- coding: latin-1 -*-\nx = '\xe4'\n", "# -*- coding: latin-1 -*-\nx = 'ä'\n"),
        (b"#!/usr/bin/python\n# vim: set fileencoding=cp1252 :\nx = '\x80'\n", "€"),
    ],
)
def test_a_source_is_decoded_as_python_does(data: bytes, text: str) -> None:
    source = decoded(data)
    assert not source.problem
    assert text in source.text


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"x = '\xe4'\n", "not valid UTF-8"),
        (b"a = 1\nb = 2\nx = '\xe4'\n", "not valid utf-8"),
        (b"# coding: no-such\n", "declares the encoding 'no-such', which is not taken"),
        (b"\xef\xbb\xbf# coding: latin-1\n", "encoding problem"),
    ],
)
def test_a_source_that_python_cannot_decode_says_so(data: bytes, words: str) -> None:
    assert words in decoded(data).problem


@pytest.mark.parametrize(
    "name", ["punycode", "idna", "rot13", "base64", "zlib", "hex", "undefined", "unicode_escape", "utf-16", "utf_7"]
)
@pytest.mark.parametrize("lines", [b"# coding: %s\n", b"#!/x\n# vim: set fileencoding=%s :\n"])
def test_codecs_that_no_editor_saves_in_are_not_run(name: str, lines: bytes) -> None:
    source = decoded(lines % name.encode() + b"x = 1\n" * 10_000)
    assert source.problem == f"declares the encoding {name!r}, which is not taken; save it as UTF-8"


@pytest.mark.parametrize(
    "name", ["utf8", "UTF-8-unix", "latin-1-dos", "iso8859-15", "windows-1252", "Shift_JIS", "mac-roman", "ascii"]
)
def test_encodings_that_editors_save_in_are_taken(name: str) -> None:
    assert not decoded(b"# -*- coding: %s -*-\nx = 1\n" % name.encode()).problem


def test_a_name_behind_the_code_declares_nothing() -> None:
    assert not decoded(b"x = 1\n# coding: rot13\n").problem


def test_a_file_that_is_too_large_is_not_decoded() -> None:
    assert "bytes; an agent's file may have at most" in decoded(b"#" * (MOST_CODE + 1)).problem
