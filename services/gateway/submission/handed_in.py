"""The agent's code of a submission, and the files that come with it: from one text, or from a project."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from assay.v1 import test_pb2
from services.gateway.archives import paths
from services.gateway.archives.agent_file import choose, decoded
from services.gateway.archives.intake import Intake, Taken
from services.gateway.errors import Violations
from shared.domain.files import cut
from shared.ids import UserId
from shared.store.documents import ArchiveRef

CODE: Final = "spec.agent_code"
PROJECT: Final = "spec.project"
BOM: Final = "\ufeff"
"""Editors put it before the text, and Python leaves it out."""
LONE_FILE: Final = "agent.py"
"""Where the agent's code lies in a project that does not have it."""
_NONE: Final[Mapping[str, bytes]] = MappingProxyType({})


class HandedIn(NamedTuple):
    """What was handed in, checked. `field` is where in the request the agent's code came from."""

    agent_code: str
    field: str = CODE
    agent_path: str = ""
    project: Taken | None = None
    inputs: Taken | None = None
    sources: Mapping[str, bytes] = _NONE
    """The project's files by path; empty for a single file."""

    @property
    def project_ref(self) -> ArchiveRef | None:
        return self.project.ref if self.project else None

    @property
    def inputs_ref(self) -> ArchiveRef | None:
        return self.inputs.ref if self.inputs else None


class Files:
    """Reads what was handed in, and keeps it when the test is."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    async def read(self, spec: test_pb2.TestSpec, user: UserId, violations: Violations) -> HandedIn:
        """The code and the files. What is wrong is added to `violations`, and then the answer is of no use. Stores
        nothing. Raises UnknownFiles where a digest names nothing of the user's."""
        inputs = await self._intake.inputs(spec.inputs, user, violations) if spec.HasField("inputs") else None
        if not spec.HasField("project"):
            code = spec.agent_code.removeprefix(BOM)
            if spec.agent_path:
                violations.add("spec.agent_path", "names a file of spec.project, and there is no project")
            return HandedIn(code, inputs=inputs)
        more: dict[str, bytes] = {}
        if spec.agent_code:
            if spec.agent_path and (problem := paths.problem(spec.agent_path)):
                violations.add("spec.agent_path", problem)
                return HandedIn(spec.agent_code, inputs=inputs)
            more = {spec.agent_path or LONE_FILE: spec.agent_code.encode()}
        project = await self._intake.project(spec.project, user, violations, more)
        if project is None:
            return HandedIn(spec.agent_code, PROJECT, inputs=inputs)
        return await self._agent(spec, user, HandedIn("", PROJECT, "", project, inputs), violations)

    async def store(self, handed_in: HandedIn, user: UserId) -> None:
        """Stores the files for a test that may be accepted. Raises UnknownFiles and StoredTooMuch."""
        for taken in (handed_in.project, handed_in.inputs):
            if taken is not None:
                await self._intake.store(taken, user)

    async def keep(self, handed_in: HandedIn, user: UserId) -> None:
        """Says that an accepted test uses the files from now on."""
        for taken in (handed_in.project, handed_in.inputs):
            if taken is not None:
                await self._intake.keep(taken, user)

    async def _agent(
        self, spec: test_pb2.TestSpec, user: UserId, handed_in: HandedIn, violations: Violations
    ) -> HandedIn:
        assert handed_in.project is not None
        files = handed_in.project.ref.files
        named = spec.agent_path or (LONE_FILE if spec.agent_code else "")
        choice = choose({file.path for file in files}, named, spec.entrypoint)
        if choice.problem:
            violations.add("spec.agent_path" if spec.agent_path else PROJECT, choice.problem)
            return handed_in
        if problem := _beside(choice.path, {file.path for file in files}):
            violations.add(PROJECT, problem)
        data = await self._intake.content(handed_in.project, user)
        sources = await asyncio.to_thread(lambda: dict(cut(files, data)))
        source = decoded(sources[choice.path])
        if source.problem:
            violations.add(PROJECT, f"{choice.path!r} {source.problem}")
        return handed_in._replace(agent_code=source.text, agent_path=choice.path, sources=sources)


def _beside(path: str, files: set[str]) -> str:
    """What hides the agent's file from Python: a package of its name is imported in its place."""
    package = path.removesuffix(".py") + "/__init__.py"
    return (
        f"{path!r} is hidden by the package {package!r}, which Python imports in its place" if package in files else ""
    )
