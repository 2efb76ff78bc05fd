"""Texts that people write into requests and settings, as nobody would: requirements, blocks of scripts, TOML, paths,
destinations, settings. Each parser answers with a value or with words, in time, and its value is stable: read again it
is the same."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Final, TypeVar

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import SecretStr

from services.console.settings import ConsoleSettings
from services.gateway.archives import paths
from services.gateway.archives.agent_file import choose, decoded
from services.gateway.errors import Violations
from services.gateway.settings import GatewaySettings
from services.gateway.submission.code import Looked, Table
from services.gateway.submission.found_requirements import found_requirements
from services.gateway.submission.requirements import checked, judge
from services.gateway.submission.script_block import script_blocks
from services.gateway.submission.syntax_process import toml
from services.logstreamer.settings import LogstreamerSettings
from services.orchestrator.settings import OrchestratorSettings
from services.packager.settings import PackagerSettings
from services.scheduler.settings import SchedulerSettings
from shared.domain.destinations import BadDestination, parse, parse_all, refused
from shared.settings import BadEnvironment, ProcessSettings
from tests.support.fuzzing import fuzzed
from tests.support.wild_json import changed_bytes

LONG_S: Final = 5.0
T = TypeVar("T")


def woven(*words: str) -> st.SearchStrategy[str]:
    """Texts made of these words, and of anything."""
    parts = st.one_of(st.sampled_from(words), st.sampled_from(words), st.text(max_size=6), st.sampled_from((" ", "\n")))
    return st.lists(parts, max_size=14).map("".join)


def in_time(call: Callable[[], T]) -> T:
    begun = time.process_time()
    found = call()
    assert time.process_time() - begun < LONG_S
    return found


REQUIREMENTS: Final = (
    *(
        "httpx",
        ">=",
        "1.0",
        "==",
        "===",
        "~=",
        "!=",
        "<",
        ",",
        ";",
        "[",
        "]",
        "(",
        ")",
        "a",
        "A_b.c",
        ".*",
        "1!2.0.post1+x",
    ),
    *("python_version", "'3'", '"3"', "and", "or", "in", "not in", "sys_platform", "extra", "--hash=sha256:", "0" * 64),
    *(
        "--require-hashes",
        "-e",
        ".",
        "--index-url",
        "@",
        "https://x",
        "#",
        "\\",
        "\\\n",
        "$",
        "${A}",
        "((((",
        "9" * 5_000,
        "é",
    ),
)


@fuzzed(0.08)
@given(st.lists(woven(*REQUIREMENTS), max_size=5))
@example(["a===" + "(" * 400])
@example(["a;" + "(" * 490])
def test_requirement_lines_are_refused_with_words_or_read_again_as_the_same(lines: list[str]) -> None:
    violations = Violations()
    found = in_time(lambda: checked(lines, "requirements", violations))
    for bad in violations.found:
        assert bad.field.startswith("requirements")
        assert bad.description.encode("utf-8", "backslashreplace")
    if violations.found:
        return
    again = judge(found)
    assert (again.requirements, again.bad, again.wrong) == (found, [], [])
    for line in found:  # what an installer reads: one line, and no option but hashes
        assert "\n" not in line
        assert not line.startswith("-")
        assert "://" not in line
        assert "@" not in line


BLOCKS: Final = (
    *(
        "# /// script\n",
        "# ///\n",
        "# ",
        "#",
        "#\n",
        "dependencies = [",
        "]",
        '"httpx"',
        ",",
        'requires-python = ">=3.11"',
    ),
    *(
        "\r\n",
        "\r",
        "[tool.uv.sources]\n",
        "# /// other\n",
        "import os\n",
        '"a>1"',
        "[project]\n",
        "dynamic = ['dependencies']\n",
    ),
    *("# dependencies = ['a']\n", "tool.poetry.dependencies.a = 1\n", "dependencies = ['b']\n", "dependencies = 1\n"),
    *(
        "[tool]\n",
        "uv = 1\n",
        "uv.index = [1]\n",
        "uv.sources = {a = 1}\n",
        "1979-05-27",
        "nan",
        "[[project]]\n",
        "project = 3\n",
    ),
)


class Reading:
    """Reads TOML as the process does that reads it for the gateway."""

    async def toml(self, data: bytes) -> Table:
        try:
            return Table.model_validate(json.loads(toml(data)))
        except (ValueError, RecursionError) as error:
            return Table(problem=str(error))

    async def look(self, code: str) -> Looked:
        raise AssertionError(code)

    async def problem(self, code: str) -> str:
        raise AssertionError(code)


@fuzzed(0.06)
@given(woven(*BLOCKS), st.sampled_from(("requirements.txt", "pyproject.toml", "x")), woven(*BLOCKS, *REQUIREMENTS))
def test_what_files_say_of_requirements_is_found_or_a_problem(code: str, name: str, text: str) -> None:
    blocks = in_time(lambda: script_blocks(code))
    assert all(not block or block.endswith("\n") for block in blocks)
    sources = {name: text.encode("utf-8", "surrogatepass")}
    found = asyncio.run(found_requirements(code, "agent.py", sources, Reading()))
    assert all(problem.strip() for problem in found.problems)
    if not found.problems:
        assert judge(found.requirements).requirements == found.requirements


@fuzzed(0.02)
@given(
    st.sampled_from(
        (b"# coding: utf-8\nx", b"\xef\xbb\xbf# coding: latin-1\n", b"x\n# -*- coding: cp1252 -*-\n\xe9")
    ).flatmap(changed_bytes)
)
def test_the_text_of_a_source_file_is_there_or_a_reason_why_not(data: bytes) -> None:
    source = in_time(lambda: decoded(data))
    assert not (source.text and source.problem)


PATHS: Final = (
    "a",
    "b.py",
    "/",
    "..",
    ".",
    "\\",
    "con",
    "CON.txt",
    " ",
    "é",
    "e\u0301",
    "ﬁ",
    "\x00",
    "src/",
    "in/",
    "out",
    "x" * 250,
    ":",
    "A",
)


@fuzzed(0.06)
@given(st.lists(woven(*PATHS), max_size=6))
def test_paths_are_refused_or_lie_side_by_side_in_one_folder(names: list[str]) -> None:
    for name in names:
        if in_time(lambda name=name: paths.problem(name)):  # type: ignore[misc]
            continue
        parts = name.split("/")
        assert not name.startswith("/")
        assert all(part not in {"", ".", ".."} for part in parts)
        assert all(part[-1] not in " ." for part in parts)
        assert name.encode()
    good = [name for name in names if not paths.problem(name)]
    clashes = [*paths.clashes(good)]
    if not clashes:
        assert len({name.casefold() for name in good}) == len(good)
        assert not any(one != other and other.startswith(one + "/") for one in good for other in good)
    [*paths.shadows(good)]
    [*paths.reserved(good)]
    choose(good)


DESTINATIONS: Final = (
    *(
        "10.0.0.0/8",
        "10.20.1.7",
        ":",
        "8000",
        "models.intra",
        "localhost",
        "127.0.0.1",
        "0",
        "/",
        "/32",
        "255",
        ".",
        ",",
    ),
    *(
        "-",
        "_",
        "[::1]",
        "::1",
        "0x7f.1",
        "٣",
        "²",
        "9" * 5_000,
        "65535",
        "65536",
        "LOCALHOST.",
        "0.0.0.0",
        "\x00",
        "@",
        "é",
    ),
)


@fuzzed(0.06)
@given(woven(*DESTINATIONS), woven(*DESTINATIONS))
@example("a:" + "1" * 5_000, "")
@example("localhost.:80", "127.0.0.0/8:80")
def test_destinations_are_refused_with_words_or_read_again_as_the_same(text: str, other: str) -> None:
    try:
        found = in_time(lambda: parse_all(text))
    except BadDestination:
        return
    for one in found:
        assert parse(str(one)) == one
        assert one.port is None or 0 < one.port < 65536
        assert one.covers(one)
        if one.loopback:
            assert one.port is not None
    assert refused(found, found) == []
    try:
        wider = parse_all(other)
    except BadDestination:
        return
    for one in refused(found, wider):
        assert not any(each == one for each in wider)
    for one in found:
        if one.loopback and not any(each.loopback for each in wider):
            assert one in refused(found, wider)


HIDDEN: Final = "hidd3n"
"""How every value begins that is a secret."""
SETTINGS: Final[tuple[type[ProcessSettings], ...]] = (
    *(GatewaySettings, SchedulerSettings, OrchestratorSettings, LogstreamerSettings, PackagerSettings, ConsoleSettings),
)
VALUES: Final = (
    *(
        "name",
        "0",
        "-1",
        "1e999",
        "nan",
        "inf",
        "true",
        "[",
        "]",
        "{",
        "}",
        '"',
        "[]",
        "{}",
        '["a"]',
        '{"a": "b"}',
        "[[[[",
        ":",
        "/",
    ),
    *(
        "http://",
        "https://a:b@c",
        "[::1",
        "9" * 5_000,
        ",",
        "=",
        "é",
        "\u202e",
        "10.0.0.0/8",
        "2026-01-01",
        "PT1S",
        "null",
        "@",
    ),
)


def refusal(kind: type[ProcessSettings]) -> str:
    try:
        in_time(kind)
    except BadEnvironment as error:
        return str(error)
    return ""


@fuzzed(0.04, slice_of=200)
@given(st.sampled_from(SETTINGS), st.data())
def test_settings_are_read_or_refused_by_the_name_of_the_variable_and_without_a_secret(
    kind: type[ProcessSettings], data: st.DataObject
) -> None:
    fields = sorted(kind.model_fields)
    given_values = {
        f"ASSAY_{field}".upper(): data.draw(woven(*VALUES)).replace("\x00", "").encode("utf-8", "replace").decode()
        for field in data.draw(st.lists(st.sampled_from(fields), min_size=1, max_size=3, unique=True))
    }
    with pytest.MonkeyPatch.context() as environment:
        for name, value in given_values.items():
            secret = kind.model_fields[name.removeprefix("ASSAY_").lower()].annotation is SecretStr
            hidden = f"k1:{HIDDEN}" if name == "ASSAY_ENCRYPTION_KEYS" else HIDDEN  # keys have names, which are told
            environment.setenv(name, hidden + value if secret else value)
        said = refusal(kind)
    assert said == "" or "ASSAY_" in said
    assert HIDDEN not in said
