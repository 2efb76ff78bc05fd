"""Everything that is noticed about a test without running it. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from services.gateway.submission.code import Code
from services.gateway.submission.entry_findings import entry_findings
from services.gateway.submission.entry_module import SCRIPT, missing_module, modules_of
from services.gateway.submission.finding import Finding, Severity
from services.gateway.submission.handed_in import LONE_FILE
from services.gateway.submission.import_findings import import_findings
from shared.domain.failure import FailureCode
from shared.domain.models import conflicts, model_environment
from shared.store.documents import Input

_SET_BY_US = frozenset({"PATH", "HOME", "LANG", "ASSAY_QUERY", "ASSAY_INPUT_DIR", "ASSAY_OUTPUT_DIR"})
MOST = 50


def findings_of(given: Input, code: Code | None, files: Collection[str] = ()) -> list[Finding]:
    """The worst first. `code` is that of the agent's file, absent where it could not be looked at; `files` are the
    paths of the project."""
    found = model_findings(given)
    if code is not None:
        path = given.agent_path or LONE_FILE
        query = None if given.without_query else given.query
        local = modules_of(files, path)
        module = missing_module(given.entrypoint, files, given.requirements, path)
        found += [module] if module else entry_findings(code, given.entrypoint, query, path, local)
        found += import_findings(code, given.requirements, local, path)
        found += environment_findings(code, given, path)
        found += input_findings(code, given, path)
    return by_severity(found)


def by_severity(found: Sequence[Finding]) -> list[Finding]:
    """The worst first, else as they came."""
    order = (Severity.ERROR, Severity.WARNING, Severity.NOTE)
    return sorted(found, key=lambda one: order.index(one.severity))[:MOST]


def model_findings(given: Input) -> list[Finding]:
    """Variables of the user with which they say something else than the model setting does."""
    if given.model is None:
        return []
    setting = model_environment(**given.model.model_dump())
    return [
        Finding(
            Severity.WARNING,
            "MODEL_SETTING_OVERRIDDEN",
            f"The variable {name} says something else than the model setting, which is {setting[name]!r}. "
            "The variable goes before it.",
            f"Leave {name} out, or change the model setting.",
        )
        for name in conflicts(setting, given.env, given.secret_refs)
    ]


def environment_findings(code: Code, given: Input, path: str) -> list[Finding]:
    """Variables without which the agent cannot be loaded."""
    known: Mapping[str, str] = model_environment(**given.model.model_dump()) if given.model else {}
    found: dict[str, Finding] = {}
    for one in code.environment:
        if one.name in {*given.env, *given.secret_refs, *known, *_SET_BY_US, *found} or one.name.startswith("AWS_"):
            continue
        found[one.name] = Finding(
            Severity.WARNING,
            "ENVIRONMENT_NOT_SET",
            f"{path} cannot be loaded without the environment variable {one.name}, and the test does not set it.",
            f"Pass it with --env {one.name}.",
            path,
            one.line,
        )
    return list(found.values())


def input_findings(code: Code, given: Input, path: str) -> list[Finding]:
    """Places that wait for somebody to type. A script has the query there."""
    if given.entrypoint.rpartition(":")[2] == SCRIPT:
        return []
    line = code.input_line
    if line:
        said = f"{path} calls input() while it is loaded, and nobody is there to type: it raises EOFError"
        return [Finding(Severity.WARNING, FailureCode.AGENT_IMPORT_ERROR, f"{said}.", _NO_INPUT, path, line)]
    name = given.entrypoint.rpartition(":")[2] or "run"
    function = code.names.get(name)
    if function is None or not function.input_line:
        return []
    said = f"{name} calls input(), and nobody is there to type: it raises EOFError"
    return [Finding(Severity.WARNING, FailureCode.AGENT_EXCEPTION, f"{said}.", _NO_INPUT, path, function.input_line)]


_NO_INPUT = "Take the query as a parameter, or run the file as a script (-e __main__): then input() reads the query."
