"""A submission as messages of the API: the request, and the files that go with it.

Reads the files that arguments name; the server says what is valid. How it is sent is the clients' business.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, TypedDict

from assay.bundle import INLINE, Bundle, BundleFile
from assay.errors import AssayError, FailedPrecondition
from assay.project import MOST_BYTES, Project
from assay.reading import read_bytes
from assay.requests import duration
from assay.requirement_files import read_requirements, requirement_lines
from assay.source_files import read_source
from assay.specification import Model
from assay.v1 import test_pb2, test_service_pb2

Source = str | os.PathLike[str]
Content = bytes | str | os.PathLike[str]
UPLOAD_S = 600.0  # for one archive: some MiB over a slow line
MOST_UPLOADS = 4  # of one submission, which has two archives: what was removed meanwhile is uploaded once more
UNKNOWN_ARCHIVE = "FILES_UNKNOWN"  # reason of the server's refusal; its metadata has the digest
_COMMON_NAMES = frozenset({"agent", "main", "app", "__init__", "__main__"})


class SubmitOptions(TypedDict, total=False):
    """What may be said about a test beside its code and its query. All of it has a default on the server.

    requirements: names with versions as in requirements.txt, or the path of such a file.
    entrypoint: `module:name` of what is called; `__main__` runs the agent's file as a script.
    include: files and folders beside the agent's file that go with it.
    project_files: more of them by their path beside the agent's file: bytes, text, or the path of a file here.
    agent_path: which file is the agent's, in a folder that is handed in.
    inputs: files that the agent finds in /work/in, by name: bytes, text, or the path of a file here.
    strict_answer: fail where the answer is not plain JSON, instead of converting it.
    system_packages: Debian packages whose programs the agent needs.
    timeout: of the run, in seconds or as a timedelta. cpu: in vCPU. memory_mib: in MiB.
    network=False: the agent runs without network.
    allow_hosts: what it reaches beside the internet, where the operator permits it: "127.0.0.1:11434", "10.0.0.7:80".
    priority: 0 (last) to 9 (first).
    dockerfile: text, or a path.
    request_id: repeat a submission with the same id and there is still one test; made up when not given.
    validate_only: check everything and make nothing; `Test.findings` has what was found.
    """

    requirements: Iterable[str] | os.PathLike[str]
    entrypoint: str
    include: Iterable[str | os.PathLike[str]]
    project_files: Mapping[str, Content]
    agent_path: str
    inputs: Mapping[str, Content]
    strict_answer: bool
    system_packages: Iterable[str]
    allow_hosts: Iterable[str]
    name: str
    agent_id: str
    agent_name: str
    dockerfile: Source
    env: Mapping[str, str]
    secret_refs: Mapping[str, str]
    model: Model | str
    timeout: float | timedelta
    priority: int
    cpu: float
    memory_mib: int
    network: bool
    labels: Mapping[str, str]
    request_id: str
    validate_only: bool


@dataclass(slots=True)
class Submission:
    """A request, and the archives that it names only by their digest. The server may not have those (yet)."""

    request: test_service_pb2.SubmitTestRequest
    named: dict[str, Bundle] = field(default_factory=dict)
    uploads: int = 0

    def wanted_by(self, error: AssayError) -> tuple[str, Bundle] | None:
        """What the server must be given first, when that is why it refused the request."""
        digest = error.metadata.get("digest", "") if error.reason == UNKNOWN_ARCHIVE else ""
        found = self.named.get(digest) if isinstance(error, FailedPrecondition) else None
        if found is None or self.uploads >= MOST_UPLOADS:
            return None
        self.uploads += 1
        return digest, found

    def uploaded(self, digest: str, answered: str) -> None:
        """The server has it now, and has the last word on what it is called."""
        if answered and answered != digest:
            self.named[answered] = self.named.pop(digest)
            for archive in (self.request.spec.project, self.request.spec.inputs):
                if archive.digest == digest:
                    archive.digest = answered


def prepare(agent: Source | Project, query: str | None, options: SubmitOptions) -> Submission:
    """`agent` is source code as text, the path of a file with it, the path of a folder, or a Project; `query` None:
    the agent is run without one. Raises BadProject, NotPythonText, RefusedRequirements, OSError."""
    code, project = _agent(agent, options)
    spec = test_pb2.TestSpec(
        agent_code=code,
        query=query,
        name=options.get("name", ""),
        agent_id=options.get("agent_id", ""),
        agent_name=options.get("agent_name") or _agent_name(agent, options),
        requirements=_requirements(options.get("requirements", ()), own_project=project is not None),
        dockerfile=_text(options.get("dockerfile", "")),
        entrypoint=options.get("entrypoint", ""),
        env=options.get("env"),
        secret_refs=options.get("secret_refs"),
        labels=options.get("labels"),
        agent_path=project.agent_path if project else "",
        strict_answer=options.get("strict_answer", False),
        system_packages=options.get("system_packages", ()),
        allow_hosts=options.get("allow_hosts", ()),
    )
    _limits(spec, options)
    named: dict[str, Bundle] = {}
    if project is not None:
        spec.project.CopyFrom(_archive(project.bundle, named))
    if inputs := options.get("inputs"):
        bundle = Bundle.of(BundleFile(name, _content(content)) for name, content in inputs.items())
        spec.inputs.CopyFrom(_archive(bundle, named))
    request = test_service_pb2.SubmitTestRequest(
        spec=spec,
        request_id=options.get("request_id") or str(uuid.uuid4()),
        validate_only=options.get("validate_only", False),
    )
    return Submission(request, named)


def _limits(spec: test_pb2.TestSpec, options: SubmitOptions) -> None:
    if model := options.get("model"):
        chosen = Model.parse(model) if isinstance(model, str) else model
        spec.model.CopyFrom(
            test_pb2.ModelSetting(
                provider=chosen.provider, model_id=chosen.model_id, base_url=chosen.base_url, region=chosen.region
            )
        )
    if "timeout" in options:
        spec.timeout.CopyFrom(duration(options["timeout"]))
    if "priority" in options:
        spec.priority = options["priority"]
    if "cpu" in options:
        spec.resources.cpu = options["cpu"]
    if "memory_mib" in options:
        spec.resources.memory_mib = options["memory_mib"]
    if not options.get("network", True):
        spec.network = test_pb2.NETWORK_ACCESS_NONE


def _agent(agent: Source | Project, options: SubmitOptions) -> tuple[str, Project | None]:
    """The source of a single file, or a project that has it."""
    include, more = list(options.get("include", ())), options.get("project_files") or {}
    path, entrypoint = options.get("agent_path", ""), options.get("entrypoint", "")
    if isinstance(agent, Project):
        project = agent
    elif isinstance(agent, os.PathLike) and Path(agent).is_dir():
        project = Project.from_folder(agent, path, entrypoint=entrypoint)
    elif isinstance(agent, os.PathLike) and (include or more):
        project = Project.from_files(agent, include, entrypoint)
    elif isinstance(agent, os.PathLike):
        return read_source(agent), None
    elif include:
        raise ValueError("include: names files beside the agent's file, and the agent is a text: use project_files")
    elif more:
        file = BundleFile(path or "agent.py", agent.encode())
        project = Project(Bundle.of([file]), file.path)
    else:
        return agent.removeprefix("\ufeff"), None
    added = {file.path: file for file in project.bundle.files}
    added |= {name: BundleFile(name, _content(content)) for name, content in more.items()}
    return "", Project(Bundle.of(added.values()), project.agent_path, project.left_out, project.folder)


def _archive(bundle: Bundle, named: dict[str, Bundle]) -> test_pb2.Archive:
    """Small ones go along; of others the server is asked first whether it has them."""
    if len(bundle.zip) <= INLINE:
        return test_pb2.Archive(zip=bundle.zip)
    named[bundle.digest] = bundle
    return test_pb2.Archive(digest=bundle.digest)


def _agent_name(agent: Source | Project, options: SubmitOptions) -> str:
    if isinstance(agent, Project):
        return agent.folder.name if agent.folder else ""
    if not isinstance(agent, os.PathLike):
        return ""
    path = Path(agent)
    if path.is_dir():
        chosen = options.get("agent_path", "")
        return agent_name_of(path / chosen) if chosen else path.resolve().name
    return agent_name_of(path)


def agent_name_of(path: Path) -> str:
    """What to call the agent in this file: by the file, or by its folder where every agent's file is called so."""
    return (path.stem not in _COMMON_NAMES and path.stem) or path.resolve().parent.name or path.stem


def _requirements(value: Iterable[str] | os.PathLike[str], *, own_project: bool) -> Iterable[str]:
    if isinstance(value, os.PathLike):
        return read_requirements(value, own_project=own_project).lines
    if isinstance(value, str):  # a string is an iterable of its letters: surely meant as the text of a file
        return requirement_lines(value).lines
    return value


def _content(content: Content) -> bytes:
    if isinstance(content, bytes):
        return content
    return content.encode() if isinstance(content, str) else read_bytes(content, MOST_BYTES)


def _text(source: Source) -> str:
    return source if isinstance(source, str) else read_bytes(source).decode("utf-8-sig")


def upload_request(piece: bytes) -> Any:
    return test_service_pb2.UploadArchiveRequest(data=piece)
