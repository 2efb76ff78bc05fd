"""Whether the Python files of a project beside the agent's own can be compiled. For dry runs: it takes a while.

A file that cannot is no reason to refuse a test: it may be a template, or for another Python, and never be imported."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Final

from services.gateway.archives.agent_file import MOST_CODE, decoded
from services.gateway.submission.code import SyntaxCheck
from services.gateway.submission.finding import Finding, Severity
from shared.domain.failure import FailureCode

PATIENCE_S: Final = 2.0
"""For all files together; those after it are not looked at."""
_LINE: Final = re.compile(r"line (\d+)")


async def problems_of(sources: Mapping[str, bytes], agent_path: str, syntax: SyntaxCheck) -> list[Finding]:
    """A warning for each file that Python cannot compile."""
    found: list[Finding] = []
    try:
        async with asyncio.timeout(PATIENCE_S):
            for path, data in sources.items():
                if path == agent_path or not path.endswith(".py") or len(data) > MOST_CODE:
                    continue
                source = decoded(data)
                problem = source.problem or (await syntax.look(source.text)).problem
                if problem:
                    line = _LINE.search(problem)
                    found.append(
                        Finding(
                            Severity.WARNING,
                            FailureCode.AGENT_IMPORT_ERROR,
                            f"{path} {problem}.",
                            "The test fails if it imports this file.",
                            path,
                            int(line[1]) if line else 0,
                        )
                    )
    except TimeoutError:
        pass
    return found
