"""Whether a test may be accepted as it was handed in: every field of the spec, and every bad one told at once.

A pure decision. Whether the code is valid Python is `syntax.py`'s, because that takes a process of its own.
"""

from __future__ import annotations

import hashlib
import keyword
import re
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from assay.v1 import test_pb2
from services.gateway.archives.agent_file import MOST_CODE
from services.gateway.errors import Violations
from services.gateway.submission import requirements
from services.gateway.submission.allowed_hosts import allowed_hosts
from services.gateway.submission.environment import check_env, check_labels, check_secrets
from services.gateway.submission.handed_in import HandedIn
from services.gateway.submission.resources import Defaults, priority, resources, timeout_s
from services.gateway.submission.system_packages import system_packages
from shared.store.documents import Input, ModelSetting

MOST_QUERY: Final = 64 * 1024
MOST_DOCKERFILE: Final = 64 * 1024
LONGEST_NAME: Final = 200
LONGEST_REQUEST_ID: Final = 64
LONGEST_ENTRYPOINT: Final = 200

_AGENT_ID: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_NOT_SLUG: Final = re.compile(r"[^a-z0-9]+")
_PROVIDER: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
_REGION: Final = re.compile(r"[a-z0-9-]{0,32}")
_REQUEST_ID: Final = re.compile(r"[!-~]{0,64}")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


class Specification(NamedTuple):
    """What a test is to be, with every default filled in."""

    input: Input
    agent_id: str
    agent_name: str
    labels: list[str]


def checked(
    spec: test_pb2.TestSpec, defaults: Defaults, violations: Violations, handed_in: HandedIn | None = None
) -> Specification:
    """The spec in its stored form, with the code and the files that were `handed_in` (not given: the code alone). What
    is wrong is added to `violations`, and then the answer is of no use."""
    files = handed_in or HandedIn(spec.agent_code)
    if not violations.of(files.field):  # else the code may not be what was meant
        _check_text(files.agent_code, MOST_CODE, files.field, violations, empty=_no_code(files))
    check_query(spec.query, "spec.query", violations)
    _check_text(spec.dockerfile, MOST_DOCKERFILE, "spec.dockerfile", violations)
    _check_name(spec.name, "spec.name", violations)
    _check_name(spec.agent_name, "spec.agent_name", violations)
    if spec.agent_id and not _AGENT_ID.fullmatch(spec.agent_id):
        violations.add("spec.agent_id", "must be 1 to 64 letters, digits, _, . and -")
    if spec.entrypoint and not is_entrypoint(spec.entrypoint):
        violations.add("spec.entrypoint", 'must be "module:name" or "name", such as "agent:run"')
    if spec.network not in test_pb2.NetworkAccess.values():
        violations.add("spec.network", "is not a value of NetworkAccess")
    check_env(spec.env, "spec.env", violations)
    check_secrets(spec.secret_refs, spec.env, "spec.secret_refs", violations)
    check_labels(spec.labels, "spec.labels", violations)
    agent_name = spec.agent_name or "agent"
    return Specification(
        Input(
            name=spec.name or agent_name,
            agent_code=files.agent_code,
            requirements=requirements.checked(spec.requirements, "spec.requirements", violations),
            dockerfile=spec.dockerfile,
            entrypoint=spec.entrypoint,
            query=spec.query,
            without_query=not spec.HasField("query"),
            project=files.project_ref,
            agent_path=files.agent_path,
            inputs=files.inputs_ref,
            strict_answer=spec.strict_answer,
            env=dict(spec.env),
            secret_refs=dict(spec.secret_refs),
            model=_model(spec.model, "spec.model", violations) if spec.HasField("model") else None,
            timeout_s=timeout_s(spec, defaults, "spec.timeout", violations),
            priority=priority(spec, "spec.priority", violations),
            resources=resources(spec.resources, defaults, "spec.resources", violations),
            network=spec.network != test_pb2.NETWORK_ACCESS_NONE,
            allow_hosts=allowed_hosts(spec, "spec.allow_hosts", violations),
            system_packages=system_packages(spec.system_packages, "spec.system_packages", violations),
        ),
        agent_id=spec.agent_id or agent_id(spec.agent_name or spec.name, files.agent_code),
        agent_name=agent_name,
        labels=sorted(f"{key}={value}" for key, value in spec.labels.items()),
    )


def check_query(query: str, field: str, violations: Violations) -> None:
    """Text of limited size."""
    _check_text(query, MOST_QUERY, field, violations)


def check_request_id(request_id: str, violations: Violations) -> None:
    """Printable ASCII without spaces, as UUIDs are."""
    if not _REQUEST_ID.fullmatch(request_id):
        violations.add("request_id", f"must be at most {LONGEST_REQUEST_ID} visible ASCII characters, best a UUID")


def agent_id(name: str, code: str) -> str:
    """The same for all tests of one agent: made from its name, or from its code where it has none."""
    slug = _NOT_SLUG.sub("-", name.lower()).strip("-")[:64].rstrip("-")
    return slug or "agent-" + hashlib.sha256((name or code).encode()).hexdigest()[:12]


def is_entrypoint(text: str) -> bool:
    """`name`, `module:name`, with dots inside either part."""
    module, colon, name = text.rpartition(":")
    parts = [*(module.split(".") if colon else []), *name.split(".")]
    return len(text) <= LONGEST_ENTRYPOINT and all(
        part.isidentifier() and not keyword.iskeyword(part) for part in parts
    )


def _no_code(files: HandedIn) -> str:
    return f"{files.agent_path!r} is empty" if files.agent_path else "is empty; hand in the agent's code"


def _check_text(text: str, most: int, field: str, violations: Violations, *, empty: str = "") -> None:
    size = len(text) if text.isascii() else len(text.encode())
    if size > most:
        violations.add(field, f"has {size} bytes; at most {most} ({most // 1024} KiB) are allowed")
    elif "\0" in text:
        violations.add(field, "has a NUL character in it")
    elif empty and not text.strip():
        violations.add(field, empty)


def _check_name(text: str, field: str, violations: Violations) -> None:
    if len(text) > LONGEST_NAME:
        violations.add(field, f"is longer than {LONGEST_NAME} characters")
    elif _CONTROL.search(text):
        violations.add(field, "has a line break or another control character in it")


def _model(model: test_pb2.ModelSetting, field: str, violations: Violations) -> ModelSetting:
    if not _PROVIDER.fullmatch(model.provider):
        violations.add(f"{field}.provider", 'must be a name in lower case, such as "ollama" or "bedrock"')
    if len(model.model_id) > 256 or _CONTROL.search(model.model_id):
        violations.add(f"{field}.model_id", "must be at most 256 characters without line breaks")
    if model.base_url and not _is_web_address(model.base_url):
        violations.add(
            f"{field}.base_url", "must be an http or https URL of at most 2048 characters, without a password in it"
        )
    if not _REGION.fullmatch(model.region):
        violations.add(f"{field}.region", 'must be the name of a region, such as "us-east-1"')
    return ModelSetting(provider=model.provider, model_id=model.model_id, base_url=model.base_url, region=model.region)


def _is_web_address(text: str) -> bool:
    if len(text) > 2048 or _CONTROL.search(text) or " " in text:
        return False
    try:
        parts = urlsplit(text)
        port_is_valid = parts.port is None or parts.port > 0
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and "@" not in parts.netloc and port_is_valid
