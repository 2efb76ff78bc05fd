"""The context that the harness reads: one JSON object with all that a task must know (ADR 7).

The same for every runtime; what only one of them needs (`result_fd`, `env_dir` ...) that one adds."""

from __future__ import annotations

import json
from typing import Any, Final

from services.orchestrator.ports import Bundle, TaskSpec
from shared.domain.logsequence import MOST_LINES, first_seq

PLAIN, FULL = 1, 2
"""Versions of the context. FULL has something that a harness of before it would leave out without a word: it would run
another test than the one that was asked for. That harness refuses FULL; this one takes both."""
_LINE_BYTES: Final = 16 << 10
_RESPONSE_BYTES: Final = 1 << 20


def envelope(spec: TaskSpec) -> dict[str, Any]:
    """What every context has, and nothing of the agent's."""
    return {
        "version": FULL if needs_full(spec) else PLAIN,
        "test_id": spec.test_id,
        "attempt": spec.attempt,
        "nonce": spec.nonce,
        "first_seq": spec.first_seq,
        "entrypoint": spec.entrypoint,
        "limits": {
            "lines": spec.log_limits.lines,
            "bytes": spec.log_limits.size,
            "line_bytes": _LINE_BYTES,
            "response_bytes": _RESPONSE_BYTES,
        },
        "strict_answer": spec.strict_answer,
        "memory_mib": spec.memory_mib,
    }


def going_on(context: dict[str, Any], last_seq: int) -> dict[str, Any]:
    """The context of a step whose output goes on after the line `last_seq` of the step before it. Each step has the
    limit for itself, and all of them together stay among the numbers of their attempt."""
    left = first_seq(context["attempt"]) - 1 + MOST_LINES - last_seq
    limits = context["limits"]
    return {**context, "first_seq": last_seq + 1, "limits": {**limits, "lines": max(min(limits["lines"], left), 1)}}


def needs_full(spec: TaskSpec) -> bool:
    """Whether only a harness that knows the whole context runs this test as it was asked for."""
    beyond = (spec.without_query, spec.strict_answer, spec.system_packages, spec.project, spec.inputs)
    return any(beyond)


def query(spec: TaskSpec) -> str | None:
    """What the agent is asked; None where it is run without a query."""
    return None if spec.without_query else spec.query


def files(spec: TaskSpec) -> dict[str, str]:
    """The agent's own files."""
    return {"agent.py": spec.agent_code, **({"Dockerfile": spec.dockerfile} if spec.dockerfile else {})}


def archives(spec: TaskSpec) -> dict[str, Any]:
    """The files that go along, by their lists, and how much of what the agent leaves is wanted back."""
    lists: dict[str, Any] = {"outputs": {"max_files": spec.output_files, "max_bytes": spec.output_bytes}}
    if spec.project is not None:
        lists["project"] = {"files": _listed(spec.project), "agent_path": spec.agent_path}
    if spec.inputs is not None:
        lists["inputs"] = {"files": _listed(spec.inputs)}
    return lists


def _listed(bundle: Bundle) -> list[dict[str, Any]]:
    return [file.model_dump() for file in bundle.files]


def requirements_file(spec: TaskSpec) -> str:
    return "\n".join(spec.requirements) + "\n"


def whole(spec: TaskSpec) -> bytes:
    """The context of a task that installs and runs in one go: a line of JSON, and behind it the content of the files
    that go along. The same spec gives the same bytes."""
    context = (
        envelope(spec)
        | archives(spec)
        | {
            "mode": "all",
            "files": files(spec) | ({"requirements.txt": requirements_file(spec)} if spec.requirements else {}),
            "query": query(spec),
            "env": dict(spec.env or {}),
            "timeout_s": spec.timeout_s,
        }
    )
    if spec.secret_refs:
        # Their values come from elsewhere, into the harness's environment: it hands on these and nothing else.
        context["secret_names"] = sorted(spec.secret_refs)
    if spec.system_packages:
        context["system_packages"] = list(spec.system_packages)
    return json.dumps(context, sort_keys=True, separators=(",", ":")).encode() + b"\n" + spec.contents
