"""Which files a package has, and who writes each of them."""

from __future__ import annotations

from services.packager.content.aws import cdk_config
from services.packager.content.docker import compose_file, dockerfile
from services.packager.content.environment import agent_file, env_example
from services.packager.content.facts import PackageFacts
from services.packager.content.handed_in import files_of
from services.packager.content.readme import CUSTOM, readme
from services.packager.content.requirements import requirements_file
from services.packager.content.sbom import SBOM, sbom
from services.packager.content.templates import static_files
from services.packager.content.text import json_file


def contents(facts: PackageFacts) -> dict[str, bytes]:
    """The files by their path, without manifest.json, provenance and SHA256SUMS. The same facts give the same bytes.

    Raises ValueError for facts that the gateway would not have accepted."""
    files = {
        **files_of(facts),
        **static_files(),
        ".env.example": env_example(facts),
        "Dockerfile": dockerfile(facts),
        "README.md": readme(facts),
        "agent.json": agent_file(facts),
        "cdk/config.json": cdk_config(facts),
        "docker-compose.yml": compose_file(facts),
        "query.json": json_file({"query": None if facts.without_query else facts.query}),
        "requirements.txt": requirements_file(facts),
        SBOM: sbom(facts),
    }
    if facts.dockerfile:
        files[CUSTOM] = facts.dockerfile.encode()
    return files
