import asyncio
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.submission import syntax_process
from services.gateway.submission.code import Table
from services.gateway.submission.found_requirements import Found, found_requirements
from services.gateway.submission.requirement_files import read_file
from services.gateway.submission.script_block import script_blocks
from services.gateway.submission.syntax import SyntaxChecker

BLOCK = """# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "humanize==4.9.0",
#
#   "HTTPX >= 0.27",  # why
# ]
# ///
import humanize
"""


def found(code: str = "", **files: str | bytes) -> Found:
    sources = {
        name.replace("__", "/").replace("_", "."): text if isinstance(text, bytes) else text.encode()
        for name, text in files.items()
    }
    return asyncio.run(found_requirements(code, "agent.py", sources, InThisProcess()))


class InThisProcess(SyntaxChecker):
    """Reads TOML as the process of its own does."""

    async def toml(self, data: bytes) -> Table:
        return Table.model_validate(json.loads(syntax_process.toml(data)))


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_the_block_of_the_agents_file_is_read(ends: str) -> None:  # case 60
    read = found(BLOCK.replace("\n", ends))
    assert read.requirements == ["humanize==4.9.0", "HTTPX>=0.27"]
    assert [(one.severity.value, one.message) for one in read.findings] == [
        ("note", "2 requirements from the PEP 723 block of agent.py.")
    ]
    assert not read.problems


def test_a_version_of_python_is_held_against_none_as_the_runners_is_not_known() -> None:
    read = found(BLOCK.replace(">=3.11", ">=3.99"))
    assert [one.code for one in read.findings] == ["REQUIREMENTS_FOUND"]
    assert not read.problems


@pytest.mark.parametrize(
    ("block", "words"),
    [
        ("# dependencies = [", "is not valid TOML"),
        ("# dependencies = 'httpx'", "must be a list of texts"),
        ("# dependencies = ['x @ git+https://h/r']", "dependencies[0]: 'x @ git+https://h/r' points to a URL"),
        ("# dependencies = ['-r other.txt']", "--requirement is not taken"),
        ("# dependencies = []\n# ///\n\n# /// script\n# dependencies = []", "has 2 PEP 723 blocks"),
        ("# requires-python = 'new'", "is no version of Python"),
        ("# dependencies = ['x']\n# [tool.uv.sources]\n# X = {git = 'https://h/r'}", "takes X from another source"),
        ("# dependencies = ['x']\n# [[tool.uv.index]]\n# url = 'https://h'", "names where packages come from"),
    ],
)
def test_a_block_that_cannot_be_followed_is_refused(block: str, words: str) -> None:
    problems = found(f"# /// script\n{block}\n# ///\n").problems
    assert len(problems) == 1
    assert words in problems[0]


@pytest.mark.parametrize(
    "code", ["", "# /// pyproject\n# dependencies = ['x']\n# ///\n", "# /// script\n# dependencies = ['x']\nx = 1\n"]
)
def test_no_block_says_nothing(code: str) -> None:
    assert found(code) == Found()


def test_a_block_without_a_space_is_read_as_the_reference_reads_it() -> None:
    assert found("# /// script\n#\n# dependencies = ['six']\n# ///").requirements == ["six"]


def test_the_projects_file_is_read_with_what_it_includes() -> None:
    read = found(
        requirements_txt="\ufeff-r reqs/base.txt\n# tools\nhttpx \\\n  ==0.27\n-e .\n",
        reqs__base_txt="idna==3.7\n-r more.txt\n-r ../reqs/more.txt",
        reqs__more_txt="six",
    )
    assert read.requirements == ["idna==3.7", "six", "httpx==0.27"]
    assert not read.problems
    assert [one.message for one in read.findings] == [
        "requirements.txt, line 5 (-e .) is the project itself, which comes along as files and is not installed.",
        "3 requirements from requirements.txt.",
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_file_is_read_in_the_encodings_that_editors_write(encoding: str) -> None:
    assert found(requirements_txt="httpx\r\nsix\r\n".encode(encoding)).requirements == ["httpx", "six"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("-r other.txt", "requirements.txt, line 1: 'other.txt' is not a file of the project"),
        ("six\n-r /etc/passwd", "line 2: '/etc/passwd' is not a file of the project"),
        ("-r ../../x", "'../../x' is not a file of the project"),
        (
            "six\n--index-url https://h/simple",
            "requirements.txt, line 2: '--index-url https://h/simple': --index-url is not taken",
        ),
        ("-r requirements.txt", "requirements.txt, line 1: requirements.txt is included by itself"),
        ("-r https://me:s3cret@h/r.txt", "'https://...' is not a file of the project"),
        ("six\n" * 20_001, "requirements.txt have more than 20000 lines"),
        ("-c constraints.txt", "--constraint is not taken"),
        ("six==1 --hash=sha256:" + "a" * 64 + "\nidna==1", "requirements.txt gives hashes for some"),
        (b"\xff\xfe\x00", "is not UTF-8 text"),
        (b"caf\xe9", "is not UTF-8 text"),
    ],
)
def test_what_is_wrong_with_a_file_is_told_with_its_line(text: str | bytes, words: str) -> None:
    problems = found(requirements_txt=text).problems
    assert len(problems) == 1
    assert words in problems[0]


def test_the_dependencies_of_a_pyproject_are_read() -> None:
    read = found(
        pyproject_toml='[project]\nname = "x"\nrequires-python = ">=3.9"\ndependencies = ["six>=1", "httpx"]\n'
    )
    assert read.requirements == ["six>=1", "httpx"]
    assert [one.message for one in read.findings] == ["2 requirements from [project] of pyproject.toml."]


def test_an_index_for_single_packages_matters_where_one_is_taken_from_it() -> None:
    index = '[project]\ndependencies = ["six"]\n[[tool.uv.index]]\nname = "own"\nurl = "https://h"\nexplicit = true\n'
    assert found(pyproject_toml=index).requirements == ["six"]
    assert found(pyproject_toml=index + '[tool.uv.sources]\nsix = {index = "own"}\n').problems


def test_poetrys_own_form_is_refused_with_the_way_out() -> None:
    (problem,) = found(pyproject_toml='[tool.poetry.dependencies]\npython = "^3.11"\nhttpx = "^0.27"\n').problems
    assert "poetry export -f requirements.txt" in problem


def test_dynamic_dependencies_are_said_to_be_left_out() -> None:
    read = found(pyproject_toml='[project]\nname = "x"\ndynamic = ["dependencies"]\n')
    assert [one.severity.value for one in read.findings] == ["warning"]


def test_the_nearest_to_the_agent_counts() -> None:
    assert found(BLOCK, requirements_txt="six").requirements == ["humanize==4.9.0", "HTTPX>=0.27"]
    both = found(requirements_txt="# none\n", pyproject_toml='[project]\ndependencies = ["six"]\n')
    assert both.requirements == []
    assert [one.message for one in both.findings] == ["0 requirements from requirements.txt."]


@pytest.mark.parametrize("text", ['[project]\ndependencies = "six"', "project = 1", "[tool]\npoetry = 1", "= = ="])
def test_odd_project_files_end_in_words(text: str) -> None:
    assert isinstance(found(pyproject_toml=text).problems, list)


@given(st.text(), st.binary(max_size=200), st.binary(max_size=200))
def test_whatever_the_files_hold_is_read_or_refused(code: str, requirements: bytes, project: bytes) -> None:
    found("# /// script\n# " + code + "\n# ///\n")
    found(requirements_txt=requirements)
    found(pyproject_toml=project)


def test_files_that_include_one_another_end() -> None:
    sources = {f"r{number}.txt": f"-r r{(number + 1) % 30}.txt\nsix".encode() for number in range(30)}
    assert read_file("r0.txt", sources).problems == ["r0.txt includes more than 20 files"]


_BLOCK_OF_THE_PEP = re.compile(r"(?m)^# /// (?P<type>[a-zA-Z0-9-]+)$\s(?P<content>(^#(| .*)$\s)+)^# ///$")


@given(st.lists(st.sampled_from(["# /// script", "# /// other", "# ///", "#", "# a = 1", "#b", "", "x = 1"])))
def test_blocks_are_those_that_the_expression_of_the_pep_finds(lines: list[str]) -> None:
    wanted = [
        "".join(line[2:] if line.startswith("# ") else line[1:] for line in found["content"].splitlines(keepends=True))
        for found in _BLOCK_OF_THE_PEP.finditer("\n".join(lines) + "\n")
        if found["type"] == "script"
    ]
    assert script_blocks("\n".join(lines)) == wanted


def test_many_blocks_that_are_never_closed_take_no_longer_than_their_lines() -> None:
    assert script_blocks("# /// script\n" * 20_000) == []


async def test_toml_that_takes_its_reader_down_is_refused_and_the_next_is_read() -> None:
    syntax = SyntaxChecker()
    try:
        for text in ("[" + "a." * 20_000 + "a]\nx = 1\n" * 20, "x = " + "[" * 50_000, "x = " + "9" * 5000):
            assert (await syntax.toml(text.encode())).problem
        assert await syntax.toml(b"day = 2026-01-02\n[a]\nb = [1, 'c']") == Table(
            values={"day": "2026-01-02", "a": {"b": [1, "c"]}}
        )
        assert (await syntax.look("x = 1")).facts is not None
    finally:
        await syntax.aclose()


@pytest.mark.parametrize("text", ["[tool.uv]\nindex = 5\n", "[tool.uv]\nsources = 1\n"])
def test_tables_of_uv_that_are_none_are_left_out(text: str) -> None:
    assert found(pyproject_toml="[project]\ndependencies = ['six']\n" + text).requirements == ["six"]
