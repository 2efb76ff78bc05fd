"""How a submission reads before it is a test: what would be sent, and what was noticed. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from assay.bundle import Bundle
from assay.cli.text import Line, block, plural, safe, size
from assay.findings import Finding, Severity
from assay.plain import plain
from assay.project import Project

_STYLES = {Severity.ERROR: "bad", Severity.WARNING: "warn"}
_SHOWN_LEFT_OUT = 50


def finding(one: Finding) -> Iterator[Line]:
    """How bad it is, where it is, what it is, and what to do about it."""
    where = ":".join(part for part in (safe(one.path), str(one.line) if one.line else "") if part)
    word = "note" if one.severity is Severity.UNKNOWN else one.severity.value.lower()
    first, *rest = block(one.message) or [one.code]
    yield [(f"{word}: ", _STYLES.get(one.severity, "strong")), (f"{where}: " if where else "", "dim"), (first, "")]
    yield from ([(f"  {line}", "")] for line in rest)
    if one.hint:
        yield [("  hint: ", "strong"), (safe(one.hint), "")]


def project(sent: Project) -> Iterator[Line]:
    """All files with their sizes, and what is left out."""
    yield from bundle(sent.bundle, "in the project")
    for one in sent.left_out[:_SHOWN_LEFT_OUT]:
        yield [(f"  left out  {safe(one.path)}", "dim"), (f"  ({safe(one.why)})", "dim")]
    if len(sent.left_out) > _SHOWN_LEFT_OUT:
        yield [(f"  left out  {len(sent.left_out) - _SHOWN_LEFT_OUT:,} more", "dim")]


def bundle(files: Bundle, where: str) -> Iterator[Line]:
    for file in files.files:
        yield [(f"{size(len(file.data)):>12}  ", "dim"), (safe(file.path), "")]
    yield [(f"  {plural(len(files.files), 'file')} {where}, {size(files.size)}", "dim")]


def summary(sent: Project) -> str:
    """One line for whoever did not ask."""
    left = len(sent.left_out)
    out = f", {left} left out (--dry-run lists them)" if left else ""
    return f"{amount(sent.bundle)}{out}"


def amount(files: Bundle) -> str:
    return f"{plural(len(files.files), 'file')}, {size(files.size)}"


def as_json(agent: str | Project, inputs: Bundle, findings: Sequence[Finding]) -> dict[str, Any]:
    """What a dry run found."""
    said: dict[str, Any] = {"valid": valid(findings), "findings": plain(tuple(findings))}
    if isinstance(agent, Project):
        said["project"] = {
            "digest": agent.bundle.digest,
            "agent_path": agent.agent_path,
            "files": _files(agent.bundle),
            "left_out": plain(agent.left_out),
        }
    if inputs.files:
        said["inputs"] = _files(inputs)
    return said


def valid(findings: Sequence[Finding]) -> bool:
    return all(one.severity is not Severity.ERROR for one in findings)


def _files(files: Bundle) -> list[dict[str, Any]]:
    return [{"path": file.path, "size": len(file.data), "executable": file.executable} for file in files.files]
