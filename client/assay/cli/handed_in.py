"""What `assay submit` hands in: one file, a folder, or a file and others beside it, with requirements and inputs.

Reads files and refuses what would fail for a file that is not sent; sends nothing.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import typer

from assay import ignore, input_files, neighbours, script_block
from assay.bundle import Bundle
from assay.imports import imports, parsed
from assay.project import BadProject, Project
from assay.requirement_files import Requirements, read_requirements
from assay.source_files import read_source
from assay.submission import agent_name_of

_AGENT_FILES = ("agent.py", "main.py", "app.py")
_MOST_INCLUDES = 6  # of a command that is proposed; with more the folder is shorter


@dataclass(frozen=True, slots=True)
class HandedIn:
    """`agent`: source of a single file, or a project."""

    agent: str | Project
    agent_name: str
    requirements: Requirements
    inputs: Bundle
    notes: tuple[str, ...] = field(default=())


def gather(
    paths: Sequence[Path],
    *,
    include: Sequence[Path] = (),
    agent_file: str = "",
    entrypoint: str = "",
    alone: bool = False,
    requirements: Path | None = None,
    files: Iterable[str] = (),
    env_file: bool = False,
) -> HandedIn:
    """Raises BadProject, NotPythonText, RefusedRequirements, OSError: all say what to do. `env_file`: the values of
    one are handed in, so that a .env needs no word."""
    inputs, inputs_left_out = input_files.inputs([named_file(value) for value in files])
    notes = [f"{one.path} is not sent: {one.why}" for one in inputs_left_out]
    if len(paths) == 1 and not paths[0].is_dir() and not include:
        if agent_file and Path(agent_file) not in {paths[0], Path(paths[0].name)}:
            raise typer.BadParameter("names a file in a folder, and a single file was given", param_hint="--agent-file")
        return _single(paths[0], requirements, inputs, notes, alone=alone)
    read = read_requirements(requirements, own_project=True) if requirements else Requirements()
    handed_in, about = _project(paths, include, agent_file, entrypoint)
    notes += [*about, *read.notes]
    if not env_file:
        notes += [f"{one.path}: {one.why}" for one in handed_in.left_out if one.why == ignore.ENVIRONMENT]
    notes += _about_the_block(handed_in)
    notes += [f"{one.path} is not sent: {one.why}" for one in handed_in.left_out if one.why.startswith("a link")]
    return HandedIn(handed_in, _name(paths, handed_in, agent_file), read, inputs, tuple(notes))


def named_file(value: str) -> tuple[str, Path]:
    """`NAME=PATH`, or `PATH` alone for a file that keeps its own name."""
    name, equals, rest = value.partition("=")
    if not equals or Path(value).exists():
        name, rest = Path(value).name, value
    if not name or not rest:
        raise typer.BadParameter(f"{value!r} is not NAME=PATH, nor the path of a file", param_hint="--file")
    if rest == "-":
        raise typer.BadParameter("standard input is no file: write it into one first", param_hint="--file")
    return name.replace("\\", "/"), Path(rest)


def _about_the_block(sent: Project) -> list[str]:
    """Of the files that can be the agent's: what was meant to be a block of requirements and is none."""
    wanted = {sent.agent_path} if sent.agent_path else {*_AGENT_FILES, *(f"src/{name}" for name in _AGENT_FILES)}
    found = {
        file.path: script_block.ignored(file.data.decode(errors="replace"))
        for file in sent.bundle.files
        if file.path in wanted
    }
    return [f"{path}, {why}" for path, why in found.items() if why]


def _single(file: Path, requirements: Path | None, inputs: Bundle, about_inputs: list[str], *, alone: bool) -> HandedIn:
    source = read_source(file)
    read = read_requirements(requirements) if requirements else Requirements()
    notes = [*about_inputs, *read.notes]
    if why := script_block.ignored(source):
        notes.append(f"{file}, {why}")
    if not alone:
        found = neighbours.needs(file, source, read.lines)
        if found.modules:
            raise BadProject(_not_alone(file, found))
        notes += [f"{path.name} lies beside {file.name} and is not sent: --include {path.name}" for path in found.data]
    beside = file.parent / "requirements.txt"
    if requirements is None and beside.is_file() and script_block.content(source) is None and _imports_others(source):
        notes.append(f"requirements.txt lies beside {file.name} and is not used: -r {beside}")
    return HandedIn(source, agent_name_of(file), read, inputs, tuple(notes))


def _imports_others(source: str) -> bool:
    tree = parsed(source)
    return tree is not None and any(not one.level and one.top not in sys.stdlib_module_names for one in imports(tree))


def _project(
    paths: Sequence[Path], include: Sequence[Path], agent_file: str, entrypoint: str
) -> tuple[Project, list[str]]:
    first, *rest = paths
    if len(paths) == 1 and first.is_dir():
        return Project.from_folder(first, _within(first, agent_file), include, entrypoint), []
    if first.is_dir() and not agent_file:
        raise typer.BadParameter("with several paths, one that is a folder comes after the agent's file")
    if agent_file:
        agent = next((path for path in paths if path in {Path(agent_file), Path(first.parent, agent_file)}), None)
        if agent is None:
            raise typer.BadParameter(f"{agent_file} is none of the files given", param_hint="--agent-file")
        notes = []
    else:
        agent = next((path for name in _AGENT_FILES for path in paths if path.name == name), first)
        notes = [f"the agent's file is {agent}; --agent-file names another"] if rest else []
    others = [path.absolute() for path in paths if path != agent]
    return Project.from_files(agent, [*others, *include], entrypoint), notes


def _within(folder: Path, agent_file: str) -> str:
    """The agent's file relative to its folder, however it was written."""
    if not agent_file:
        return ""
    for candidate in (folder / agent_file, Path(agent_file)):
        if candidate.is_file() and candidate.absolute().is_relative_to(folder.absolute()):
            return candidate.absolute().relative_to(folder.absolute()).as_posix()
    raise typer.BadParameter(f"{agent_file}: there is no such file in {folder}", param_hint="--agent-file")


def _name(paths: Sequence[Path], handed_in: Project, agent_file: str) -> str:
    folder = handed_in.folder
    if folder is not None and len(paths) == 1 and paths[0].is_dir() and not agent_file:
        return folder.name
    return agent_name_of(Path(folder or ".", handed_in.agent_path))


def _not_alone(file: Path, found: neighbours.Needs) -> str:
    """Why the file is not sent alone, and the command that sends what it needs."""
    told = ", ".join(dict.fromkeys(f"{need.module} (line {need.line})" for need in found.modules[:5]))
    lies = "which lies beside it and is" if len(found.modules) == 1 else "which lie beside it and are"
    lines = [
        f"{file} imports {told}, {lies} not sent with a single file.",
        "Send it all:",
        f"  {_command(file, found)}",
    ]
    if not found.above and len(found.files) + len(found.data) <= _MOST_INCLUDES:
        lines += ["or its whole folder:", f"  {_with_folder(file, file.parent)}"]
    return "\n".join([*lines, "--alone submits the file as it is."])


def _command(file: Path, found: neighbours.Needs) -> str:
    beside = [*found.files, *found.data]
    if found.above:
        common = Path(file.absolute().parent)
        while not all(common in path.absolute().parents for path in found.files):
            common = common.parent
        return _with_folder(file, common)
    if len(beside) > _MOST_INCLUDES:
        return _with_folder(file, file.parent)
    return _typed(file, [str(file), *(word for path in beside for word in ("--include", _from(path, file.parent)))])


def _with_folder(file: Path, folder: Path) -> str:
    inside = file.absolute().relative_to(folder.absolute()).as_posix()
    return _typed(file, [str(folder), "--agent-file", inside])


def _from(path: Path, folder: Path) -> str:
    """How a path is written for --include: from the agent's folder, unless that means something else here."""
    name = path.relative_to(folder)
    return (name if not name.exists() or name.samefile(path) else path).as_posix()


def _typed(file: Path, instead: list[str]) -> str:
    """The command as it was typed, with other words for the file."""
    words = sys.argv[1:]
    at = next((place for place, word in enumerate(words) if "submit" in words[:place] and Path(word) == file), None)
    if at is None:
        return shlex.join(["assay", "submit", *instead, "..."])
    return shlex.join(["assay", *words[:at], *instead, *words[at + 1 :]])
