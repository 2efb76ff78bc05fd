"""manifest.json and SHA256SUMS: what the package was made from, and a checksum for everything in it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

from services.packager.content.environment import public_base_url
from services.packager.content.facts import PackageFacts
from services.packager.content.handed_in import agent_path, files_of
from services.packager.content.names import service_name
from services.packager.content.requirements import is_pinned
from services.packager.content.system import compiled, system_packages
from services.packager.content.text import json_file, moment

FORMAT: Final = "assay-package/1.1"
MANIFEST: Final = "manifest.json"
SUMS: Final = "SHA256SUMS"


def manifest(files: Mapping[str, bytes], facts: PackageFacts) -> bytes:
    """Of these files; it lists neither itself nor those that are made of it: the provenance and SHA256SUMS."""
    outcome, options, model = facts.outcome, facts.options, facts.model
    described: dict[str, Any] = {
        "format": FORMAT,
        "service_name": service_name(facts),
        "test_id": facts.test_id,
        "agent": {
            "id": facts.agent_id,
            "name": facts.agent_name,
            "entrypoint": facts.entrypoint,
            "path": agent_path(facts),
            "sha256": hashlib.sha256(files_of(facts)[agent_path(facts)]).hexdigest(),
        },
        "versions": {"assay": facts.assay_version, "python": facts.python_version},
        "requirements": {
            "requested": list(facts.requirements),
            "resolved": list(facts.resolved),
            "pinned_as_tested": is_pinned(facts),
            "built_from_source": compiled(facts),
        },
        "system_packages": system_packages(facts),
        "model": None
        if model is None
        else {
            "provider": model.provider,
            "model_id": model.model_id,
            "base_url": public_base_url(model),
            "region": model.region,
        },
        "environment": {"names": sorted(facts.env_names), "secret_names": sorted(facts.secret_names)},
        "result": {
            "success": outcome.success,
            "run_ms": outcome.run_ms,
            "build_ms": outcome.build_ms,
            "peak_memory_bytes": outcome.peak_memory_bytes,
            "usage": {"input_tokens": outcome.input_tokens, "output_tokens": outcome.output_tokens},
            "query_sha256": hashlib.sha256(facts.query.encode()).hexdigest(),
        },
        "resources": {
            "cpu": facts.cpu,
            "memory_mib": facts.memory_mib,
            "timeout_s": facts.timeout_s,
            "network": facts.network,
        },
        "options": {
            "service_name": options.service_name,
            "port": options.port,
            "load_balancer": options.load_balancer,
            "vpc_id": options.vpc_id,
        },
        "provenance": {
            "made_by": f"assay {facts.assay_version}",
            "made_from": facts.test_id,
            "submitted": moment(facts.submitted),
            "finished": moment(facts.finished),
        },
        "files": [
            {"path": path, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            for path, data in sorted(files.items())
        ],
    }
    return json_file(described)


def checksums(files: Mapping[str, bytes]) -> bytes:
    """For `sha256sum -c SHA256SUMS`. No path has a line break or a backslash in it, so none needs escaping."""
    lines = (f"{hashlib.sha256(data).hexdigest()}  {path}\n" for path, data in sorted(files.items()))
    return "".join(lines).encode()
