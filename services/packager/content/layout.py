"""Which files a package has, and who writes each of them."""

from __future__ import annotations

from services.packager.content.facts import PackageFacts
from services.packager.content.text import json_file


def contents(facts: PackageFacts) -> dict[str, bytes]:
    """The files by their path, without manifest.json and SHA256SUMS. The same facts give the same bytes."""
    return {
        "agent.py": facts.agent_code.encode(),
        "query.json": json_file({"query": facts.query}),
    }
