"""The query where a script looks for it, beside its arguments."""

from __future__ import annotations

import posix as os  # what is in os without what makes its import cost a millisecond
import sys

from services.orchestrator.harness.src.file_descriptors import write_all


def offer(query: str) -> None:
    """On standard input and in the environment. One memory file, so that no size makes a writer wait."""
    memory = os.memfd_create("query", 0)
    write_all(memory, query.encode("utf-8", "replace"))
    os.lseek(memory, 0, 0)
    os.dup2(memory, 0)
    os.close(memory)
    sys.stdin = sys.__stdin__ = open(0, encoding="utf-8", errors="replace", closefd=False)  # type: ignore[misc]
    raw = query.encode("utf-8", "surrogateescape")
    if b"\0" not in raw and len(raw) < 128 * 1024:  # what the kernel takes of one variable
        os.putenv(b"ASSAY_QUERY", raw)
        os.environ[b"ASSAY_QUERY"] = raw
        known = sys.modules.get("os")
        if known is not None:
            known.environ["ASSAY_QUERY"] = query
