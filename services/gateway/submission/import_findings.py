"""Modules that neither the standard library nor the requirements nor the project bring.

Pure. A requirement may bring others along, so that with most requirements nothing is certain; an image may bring
packages of its own: a missing module is never more than a warning."""

from __future__ import annotations

import sys
from collections.abc import Collection, Sequence
from typing import Final

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from services.gateway.submission.code import Code, Import
from services.gateway.submission.distributions import SHARED_NAMES, bring_nothing_else, bringers, is_known
from services.gateway.submission.finding import Finding, Severity
from shared.domain.failure import FailureCode

CODE = "MODULE_NOT_FOUND"
_NOT_IMPORTED = frozenset({"__main__", "agent", "test_runner"})
OWN_NAMES: Final = frozenset(
    (
        *("tools", "tool", "utils", "util", "helpers", "helper", "common", "config", "configs", "settings", "prompts"),
        *(
            "prompt",
            "models",
            "model",
            "schemas",
            "schema",
            "types_",
            "nodes",
            "node",
            "state",
            "states",
            "graph",
            "src",
        ),
        *("app", "agent", "core", "lib", "constants", "memory", "llm", "llms", "client", "clients", "services", "data"),
        *("database", "db", "api", "functions", "main", "workflow", "workflows", "tasks", "my_tools", "chains", "rag"),
    )
)
"""What people call files of their own. Packages of these names are there, too, and are a stranger's."""


def import_findings(code: Code, requirements: Sequence[str], local: Collection[str], path: str) -> list[Finding]:
    """One for each module, by the first place that imports it. `local` are the modules of the project."""
    known = {name for line in requirements if (name := _name(line))}
    complete = bool(requirements) and all(" --hash=" in line for line in requirements)
    beside = set() if complete else bring_nothing_else(known)
    found: dict[str, Finding] = {}
    for one in code.imports:
        top = one.module.partition(".")[0]
        shown = ".".join(_longest(one).split(".")[:2]) if top in SHARED_NAMES else top
        if one.how == "maybe" or shown in found or top in _NOT_IMPORTED:
            continue
        if one.level:
            if not local and one.how == "always":
                found["."] = _relative(one, path)
            continue
        if top in sys.stdlib_module_names or top in local or (beside is not None and top in beside):
            continue
        if _is_brought(one, known) or (top in SHARED_NAMES and not is_known(_longest(one))):
            continue
        found[shown] = _missing(one, shown, certain=beside is not None, project=bool(local), path=path)
    return list(found.values())


def _name(line: str) -> str:
    try:
        return canonicalize_name(Requirement(line.partition(" --hash=")[0]).name)
    except InvalidRequirement:  # refused elsewhere
        return ""


def _longest(one: Import) -> str:
    """`from google import adk` is about google.adk."""
    top, _, rest = one.module.partition(".")
    return f"{top}.{one.names[0]}" if top in SHARED_NAMES and not rest and one.names else one.module


def _bringers_of(one: Import) -> set[str]:
    module = _longest(one)
    top = module.partition(".")[0]
    return {*bringers(module), canonicalize_name(top), canonicalize_name(".".join(module.split(".")[:2]))}


def _is_brought(one: Import, known: Collection[str]) -> bool:
    """By a requirement that is known for it, or one that has its name in its own: openai-agents brings openai."""
    top = one.module.partition(".")[0]
    part = f"-{canonicalize_name(top)}-"
    named = top not in SHARED_NAMES | OWN_NAMES and any(part in f"-{name}-" for name in known)
    return named or not _bringers_of(one).isdisjoint(known)


def _missing(one: Import, shown: str, *, certain: bool, project: bool, path: str) -> Finding:
    module, top = _longest(one), shown.partition(".")[0]
    own = (
        f"If {top} is a file or folder of the project, it was not sent: see .gitignore and .assayignore."
        if project
        else f"If {top} is a file or folder of yours, hand it in as well: assay submit DIR, or --include {top}.py."
    )
    if top in OWN_NAMES:
        hint = own
    elif is_known(module):
        hint = f"Add {bringers(module)[0]} to the requirements."
    else:
        hint = f"Add the package that brings {top} to the requirements. {own}"
    said = f"{shown} is imported, and neither the standard library nor the requirements bring it"
    if not certain:
        said = f"{shown} is imported, and no requirement is named for it: another one may bring it along"
    when = " when it is needed" if one.how == "when_called" else ""
    severity = Severity.WARNING if certain or top in OWN_NAMES else Severity.NOTE
    return Finding(severity, CODE, f"{said}{when}.", hint, path, one.line)


def _relative(one: Import, path: str) -> Finding:
    return Finding(
        Severity.ERROR,
        FailureCode.AGENT_IMPORT_ERROR,
        f"{path} imports {'.' * one.level}{one.module} relative to a package, and one file is none.",
        "Hand in the whole folder: assay submit DIR.",
        path,
        one.line,
    )
