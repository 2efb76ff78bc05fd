"""The context that the harness reads: one JSON object with all that a task must know (ADR 7).

The same for every runtime; what only one of them needs (`result_fd`, `env_dir` ...) that one adds."""

from __future__ import annotations

import json
from typing import Any, Final

from services.orchestrator.ports import TaskSpec

VERSION: Final = 1
LIMITS: Final = {"lines": 100_000, "bytes": 50 << 20, "line_bytes": 16 << 10, "response_bytes": 1 << 20}


def envelope(spec: TaskSpec) -> dict[str, Any]:
    """What every context has, and nothing of the agent's."""
    return {
        "version": VERSION,
        "test_id": spec.test_id,
        "attempt": spec.attempt,
        "nonce": spec.nonce,
        "first_seq": spec.first_seq,
        "entrypoint": spec.entrypoint,
        "limits": LIMITS,
        "strict_answer": spec.strict_answer,
    }


def query(spec: TaskSpec) -> str | None:
    """What the agent is asked; None where it is run without a query."""
    return None if spec.without_query else spec.query


def files(spec: TaskSpec) -> dict[str, str]:
    """The agent's own files."""
    return {"agent.py": spec.agent_code, **({"Dockerfile": spec.dockerfile} if spec.dockerfile else {})}


def requirements_file(spec: TaskSpec) -> str:
    return "\n".join(spec.requirements) + "\n"


def whole(spec: TaskSpec) -> bytes:
    """The context of a task that installs and runs in one go. The same spec gives the same bytes."""
    context = envelope(spec) | {
        "mode": "all",
        "files": files(spec) | ({"requirements.txt": requirements_file(spec)} if spec.requirements else {}),
        "query": query(spec),
        "env": dict(spec.env or {}),
        "timeout_s": spec.timeout_s,
    }
    if spec.secret_refs:
        # Their values come from elsewhere, into the harness's environment: it hands on these and nothing else.
        context["secret_names"] = sorted(spec.secret_refs)
    if spec.system_packages:
        context["system_packages"] = list(spec.system_packages)
    return json.dumps(context, sort_keys=True, separators=(",", ":")).encode()
