"""The requirements of a test that names none: what its own files say, as the tools that people use read them.

In this order: the PEP 723 block of the agent's file; requirements.txt of the project; [project] dependencies of
its pyproject.toml. The first that is there counts, even if it lists nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from services.gateway.submission.code import SyntaxCheck
from services.gateway.submission.finding import Finding, Severity
from services.gateway.submission.requirement_files import read_file
from services.gateway.submission.requirements import judge
from services.gateway.submission.script_block import script_blocks

FILE: Final = "requirements.txt"
PROJECT_FILE: Final = "pyproject.toml"
CODE: Final = "REQUIREMENTS_FOUND"
MOST_TOML: Final = 256 * 1024
_LONGEST_VERSIONS: Final = 500
_EXPORT: Final = "hand the requirements in as a file: poetry export -f requirements.txt, or uv export"


@dataclass
class Found:
    """The requirements in normal form, and what is to be said about them."""

    requirements: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    """Each a violation, with the file that it is in."""
    findings: list[Finding] = field(default_factory=list)


async def found_requirements(code: str, path: str, sources: Mapping[str, bytes], syntax: SyntaxCheck) -> Found:
    """What the agent's file `code` at `path` and the files of its project say."""
    found = Found()
    blocks = script_blocks(code)
    if len(blocks) > 1:
        found.problems.append(f"{path} has {len(blocks)} PEP 723 blocks (# /// script); one is allowed")
    elif blocks:
        await _from_block(found, blocks[0], path, syntax)
    elif FILE in sources:
        _from_file(found, sources)
    elif PROJECT_FILE in sources:
        await _from_project(found, sources[PROJECT_FILE], syntax)
    return found


async def _from_block(found: Found, block: str, path: str, syntax: SyntaxCheck) -> None:
    origin = f"the PEP 723 block of {path}"
    metadata = await _toml(found, block.encode(), origin, syntax)
    if metadata is None:
        return
    _take(found, metadata.get("dependencies", []), origin, metadata.get("tool"))
    _check_python(found, metadata.get("requires-python"), origin)


async def _from_project(found: Found, data: bytes, syntax: SyntaxCheck) -> None:
    metadata = await _toml(found, data, PROJECT_FILE, syntax)
    if metadata is None:
        return
    project, tool = _table(metadata, "project"), metadata.get("tool")
    poetry = _table(_table(_table(metadata, "tool"), "poetry"), "dependencies")
    if "dependencies" in project:
        _take(found, project["dependencies"], f"[project] of {PROJECT_FILE}", tool)
    elif set(poetry) - {"python"}:
        found.problems.append(
            f"{PROJECT_FILE} lists what the agent needs as [tool.poetry.dependencies], in Poetry's own form: {_EXPORT}"
        )
    elif "dependencies" in _list(project.get("dynamic")):
        found.findings.append(
            Finding(
                Severity.WARNING,
                CODE,
                f"{PROJECT_FILE} leaves its dependencies to its build system (dynamic): they are not read.",
                "Hand the requirements in with -r requirements.txt.",
                PROJECT_FILE,
            )
        )
    _check_python(found, project.get("requires-python"), PROJECT_FILE)


def _from_file(found: Found, sources: Mapping[str, bytes]) -> None:
    read = read_file(FILE, sources)
    found.problems += read.problems
    judged = judge([line.text for line in read.lines])
    found.problems += [f"{read.lines[place].where}: {problem}" for place, problem in judged.bad]
    found.problems += [f"{FILE} {problem}" for problem in judged.wrong]
    found.requirements = judged.requirements
    if read.own_project:
        found.findings.append(
            Finding(
                Severity.NOTE,
                CODE,
                f"{read.own_project} is the project itself, which comes along as files and is not installed.",
                path=FILE,
            )
        )
    _tell(found, FILE)


def _take(found: Found, lines: object, origin: str, tool: object) -> None:
    if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
        found.problems.append(f"{origin}: dependencies must be a list of texts")
        return
    judged = judge([line.strip() for line in lines])
    found.problems += [f"{origin}, dependencies[{place}]: {problem}" for place, problem in judged.bad]
    found.problems += [f"{origin} {problem}" for problem in judged.wrong]
    found.problems += [f"{origin}: {problem}" for problem in _other_sources(tool, lines)]
    found.requirements = judged.requirements
    _tell(found, origin)


def _other_sources(tool: object, lines: Sequence[str]) -> list[str]:
    """What of uv's tables has packages come from elsewhere: without it a stranger's of that name might be installed."""
    uv = _table({"tool": tool} if isinstance(tool, dict) else {}, "tool").get("uv")
    if not isinstance(uv, dict):
        return []
    wanted = {name for line in lines if (name := _name(line))}
    named = sorted(name for name in _table(uv, "sources") if canonicalize_name(name) in wanted)
    found = []
    if named:
        found.append(
            f"takes {', '.join(name[:60] for name in named[:5])} from another source ([tool.uv.sources]); only "
            "releases by name and version are taken, so that no code comes from elsewhere"
        )
    others = [one for one in _list(uv.get("index")) if not (isinstance(one, dict) and one.get("explicit"))]
    options = [name for name in ("index-url", "extra-index-url", "find-links", "no-index") if name in uv]
    if others or options:
        found.append(
            f"names where packages come from ([tool.uv] {', '.join(options) or 'index'}): that is the operator's, by "
            "ASSAY_PROCESS_BUILD_ENV (such as UV_DEFAULT_INDEX) on the process runtime and UV_ and PIP_ variables of "
            "the image elsewhere. Hand the requirements in with -r to go without it"
        )
    return found


def _name(line: str) -> str:
    try:
        return canonicalize_name(Requirement(line).name)
    except InvalidRequirement:
        return ""


def _check_python(found: Found, wanted: object, origin: str) -> None:
    """Whether it can be read. Which Python the runners have is not known here, so it is held against none."""
    if wanted is None:
        return
    try:
        SpecifierSet(wanted if isinstance(wanted, str) and len(wanted) <= _LONGEST_VERSIONS else "?")
    except InvalidSpecifier:
        found.problems.append(f"{origin}: requires-python {wanted!r:.60} is no version of Python")


def _tell(found: Found, origin: str) -> None:
    if not found.problems:
        number = len(found.requirements)
        plural = "requirement" if number == 1 else "requirements"
        found.findings.append(Finding(Severity.NOTE, CODE, f"{number} {plural} from {origin}."))


async def _toml(found: Found, data: bytes, origin: str, syntax: SyntaxCheck) -> dict[str, Any] | None:
    if len(data) > MOST_TOML:
        found.problems.append(f"{origin} has {len(data)} bytes; at most {MOST_TOML} are read")
        return None
    table = await syntax.toml(data)
    if table.problem:
        found.problems.append(f"{origin} {table.problem}")
        return None
    return table.values


def _table(metadata: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = metadata.get(name)
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
