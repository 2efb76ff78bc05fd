"""provenance.json: which files these are and what they were made from, as an in-toto statement with SLSA provenance.

Whoever signs the statement signs every file, for it names each with its digest: all but itself, its signature, and
SHA256SUMS, which lists those two as well. Knows no key (signing.py).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, Final

from services.packager.content.facts import PackageFacts
from services.packager.content.handed_in import files_of
from services.packager.content.names import service_name
from services.packager.content.sbom import package_urls
from services.packager.content.system import system_packages
from services.packager.content.text import json_file, moment

PROVENANCE: Final = "provenance.json"
ENVELOPE: Final = "provenance.intoto.jsonl"
STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE: Final = "https://slsa.dev/provenance/v1"
BUILD_TYPE: Final = "urn:assay:deployment-package:1"
BUILDER: Final = "urn:assay:packager"

Sign = Callable[[bytes], bytes]
"""From a statement to its signed envelope."""


def provenance(files: Mapping[str, bytes], facts: PackageFacts) -> bytes:
    """Of these files, the manifest among them."""
    options = facts.options
    statement: dict[str, Any] = {
        "_type": STATEMENT_TYPE,
        "subject": [_digest(path, data) for path, data in sorted(files.items())],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": {
                    "test_id": facts.test_id,
                    "service_name": service_name(facts),
                    "entrypoint": facts.entrypoint,
                    "requirements": list(facts.requirements),
                    "system_packages": system_packages(facts),
                    "port": options.port,
                    "load_balancer": options.load_balancer,
                    "vpc_id": options.vpc_id,
                },
                "internalParameters": {
                    "python": facts.python_version,
                    "query_sha256": hashlib.sha256(facts.query.encode()).hexdigest(),
                    "passed": facts.outcome.success,
                },
                "resolvedDependencies": [
                    *(_digest(path, data) for path, data in sorted(files_of(facts).items())),
                    *({"uri": url} for url in package_urls(facts)),
                ],
            },
            "runDetails": {
                "builder": {"id": BUILDER, "version": {"assay": facts.assay_version}},
                "metadata": {
                    "invocationId": facts.test_id,
                    "startedOn": moment(facts.submitted),
                    "finishedOn": moment(facts.finished),
                },
            },
        },
    }
    return json_file(statement)


def _digest(path: str, data: bytes) -> dict[str, Any]:
    return {"name": path, "digest": {"sha256": hashlib.sha256(data).hexdigest()}}
