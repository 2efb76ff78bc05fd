"""The context: what is to be done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.orchestrator.harness.src.environment import IN_CONTAINER
from services.orchestrator.harness.src.jsontext import from_json

if TYPE_CHECKING:
    from typing import Any


VERSIONS = 1, 2  # 2 where there is something in it that a harness of before 2 would leave out
# Container runtimes cut log lines at 16 KiB (moby daemon/logger/copier.go; Fargate's shim loggers do the same).
CONTAINER_LINE_BYTES = 16384


class ContextUnavailable(Exception):
    """There is nothing to run."""


class Context:
    """What is to be done: the object that the runtime wrote, checked for its shape and not for its sense."""

    def __init__(self, raw: bytes) -> None:
        try:
            text, _, contents = raw.partition(b"\n")
            data = from_json(text.decode("utf-8"))
        except (ValueError, RecursionError) as error:
            raise ContextUnavailable(f"the context is not JSON: {error}") from None
        try:
            if data["version"] not in VERSIONS:
                raise ContextUnavailable(
                    f"the context has version {data['version']}, this harness knows {VERSIONS[0]} to {VERSIONS[-1]}"
                )
            self.test_id: str = data["test_id"]
            self.attempt: int = data["attempt"]
            self.nonce: str = data["nonce"]
            self.mode: str = data["mode"]
            self.first_seq: int = data.get("first_seq", 1)
            self.result_fd: int | None = data.get("result_fd")
            self.files: dict[str, str] = data["files"]
            self.code: str = self.files.get("agent.py", "")
            self.requirements: str = self.files.get("requirements.txt", "")
            self.entrypoint: str | None = data.get("entrypoint")
            self.query: str | None = data.get("query", "")  # None: run without one
            self.agent_path: str = (data.get("project") or {}).get("agent_path") or ""  # "": agent.py alone
            self.strict_answer: bool = data.get("strict_answer") is True
            self.env: dict[str, str] = data.get("env") or {}
            self.timeout_s: float = data["timeout_s"]
            self.python: str | None = data.get("python")
            self.env_dir: str = data.get("env_dir") or "/tmp/env"
            self.from_source: str = data.get("from_source", "if_needed")  # or "never", "at_once"
            project, inputs = data.get("project") or {}, data.get("inputs") or {}
            self.project_files: list[dict[str, Any]] = project.get("files") or []
            self.input_files: list[dict[str, Any]] = inputs.get("files") or []
            self.contents: bytes = contents  # of the files: the project's and then the inputs', unless they come by
            self.contents_fd: int | None = data.get("contents_fd")
            self.outputs: dict[str, int] | None = data.get("outputs")  # how much of `out` is handed back
            limits: dict[str, Any] = data["limits"]
            self.max_lines = limits["lines"]
            self.max_bytes = limits["bytes"]
            self.line_bytes = max(16, limits["line_bytes"])
            self.encoded_line_bytes = limits.get("encoded_line_bytes", CONTAINER_LINE_BYTES if IN_CONTAINER else None)
            self.response_bytes = limits["response_bytes"]
            self.memory_mib: int = data.get("memory_mib") or 0  # 0: not said
            self.max_processes: int = data.get("max_processes") or 0  # and threads
            self.secret_names: list[str] = data.get("secret_names") or []
            self.system_packages: list[str] = data.get("system_packages") or []
        except (KeyError, TypeError, AttributeError) as error:
            raise ContextUnavailable(f"the context lacks something: {type(error).__name__}: {error}") from None
        if self.mode not in ("run", "build", "all"):
            raise ContextUnavailable(f"the context asks for the unknown mode {self.mode!r}")
