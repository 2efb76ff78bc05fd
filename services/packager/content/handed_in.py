"""The files that were handed in with the test: where they lie in the package, and what is said of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from services.packager.content.facts import PackageFacts
from services.packager.content.text import code_span

PROJECT: Final = "project/"
INPUTS: Final = "inputs/"
AGENT: Final = "agent.py"
MOST_NAMED: Final = 50
_COPY_ALONE: Final = "COPY agent.json agent.py server.py /app/\n"
_COPY_PROJECT: Final = "COPY agent.json server.py /app/\nCOPY project/ /app/project/\n"
_COPY_INPUTS: Final = "COPY inputs/ /app/inputs/\n"
_FOLDERS: Final = " \\\n && mkdir /work && ln -s /app/inputs /work/in && ln -s /tmp/out /work/out"


def files_of(facts: PackageFacts) -> dict[str, bytes]:
    """The agent's code by its path in the package: one file, or a project byte for byte; and the inputs."""
    files = {f"{INPUTS}{path}": data for path, data in facts.inputs.items()}
    if facts.agent_path:
        return {**files, **{f"{PROJECT}{path}": data for path, data in facts.project.items()}}
    return {**files, AGENT: facts.agent_code.encode()}


def agent_path(facts: PackageFacts) -> str:
    """Where the agent's file lies in the package."""
    return f"{PROJECT}{facts.agent_path}" if facts.agent_path else AGENT


def executables(facts: PackageFacts) -> frozenset[str]:
    """Paths in the package of what may be run."""
    return frozenset(f"{PROJECT}{path}" for path in facts.executables)


def copies(facts: PackageFacts) -> str:
    """Lines of a Dockerfile. No name of a file stands in them: it could be anything."""
    return (_COPY_PROJECT if facts.agent_path else _COPY_ALONE) + (_COPY_INPUTS if facts.inputs else "")


def folders(facts: PackageFacts) -> str:
    """What goes on behind a RUN: the folders by the names that they had in the test."""
    return _FOLDERS if facts.inputs or facts.leaves_files else ""


def described(facts: PackageFacts) -> Iterator[str]:
    """A section of the README."""
    if facts.agent_path:
        yield "## The agent's files"
        yield ""
        yield f"In `{PROJECT}`, byte for byte as they were tested; the agent's own is {code_span(facts.agent_path)}:"
        yield ""
        yield from _named(facts.project)
        yield ""
        yield "Each worker has a copy of its own as its current folder."
    if facts.inputs or facts.leaves_files:
        if facts.agent_path:
            yield ""
        yield "## Files in and out"
        yield ""
        if facts.inputs:
            yield f"The input files of the test are in `{INPUTS}`; put others there for other ones:"
            yield ""
            yield from _named(facts.inputs)
            yield ""
        yield (
            "`ASSAY_INPUT_DIR` and `ASSAY_OUTPUT_DIR` say where the agent finds and leaves files, as in the test; in "
            "the image `/work/in` and `/work/out` do, too. What it leaves goes with its worker or its container."
        )


def _named(files: Mapping[str, bytes]) -> Iterator[str]:
    for path in sorted(files)[:MOST_NAMED]:
        yield f"- {code_span(path)}"
    if len(files) > MOST_NAMED:
        yield f"- and {len(files) - MOST_NAMED} more, all of them in `manifest.json`"
