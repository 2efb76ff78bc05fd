"""The module that an entry point names: whether the project has it. Pure."""

from __future__ import annotations

import sys
from collections.abc import Collection, Sequence

from packaging.utils import canonicalize_name

from services.gateway.submission.finding import Finding, Severity
from shared.domain.failure import FailureCode

SCRIPT = "__main__"


def modules_of(files: Collection[str], path: str) -> set[str]:
    """Names of the modules and folders that the project's own files can be imported by."""
    found = set()
    for root in _roots(path):
        for file in files:
            if file.startswith(root):
                first, slash, _ = file[len(root) :].partition("/")
                if slash or first.endswith((".py", ".so", ".pyd")):
                    found.add(first.partition(".")[0])
    return found


def missing_module(entrypoint: str, files: Collection[str], requirements: Sequence[str], path: str) -> Finding | None:
    """Of `package.module:name`, and of `package.__main__`, which `python -m package` runs. An error where the package
    is the project's and has no such module; what is not the project's may come from elsewhere."""
    where, _, name = entrypoint.rpartition(":")
    script = entrypoint.replace(":", ".").rpartition(".")[2] == SCRIPT
    if script:
        where = entrypoint.replace(":", ".").rpartition(".")[0].removesuffix(f".{SCRIPT}")
    if where in {"", "agent"} or not all(part.isidentifier() for part in where.split(".")):
        return None
    top = where.partition(".")[0]
    here = f"(-e {where}.{SCRIPT})" if script else f"(-e {where}:{name})"
    if top in modules_of(files, path):
        if not _has(where, files, path):
            return _error(f"The project has no module {where!r} for the entry point {here}.", files, path)
        if script and not _has_file(where, files, path) and not _has(f"{where}.{SCRIPT}", files, path):
            said = f"{where!r} is a package without a {SCRIPT}.py, which the entry point {here} runs."
            return _error(said, files, path)
        return None
    named = any(canonicalize_name(top) in canonicalize_name(one.partition(" ")[0]) for one in requirements)
    if named or top in sys.stdlib_module_names or not files:
        return None
    return _error(f"The project has no module {where!r} for the entry point {here}.", files, path)._replace(
        severity=Severity.WARNING  # a requirement of another name may bring it
    )


def _error(said: str, files: Collection[str], path: str) -> Finding:
    modules = sorted(file[:-3].removeprefix("src/").replace("/", ".") for file in files if file.endswith(".py"))
    there = ", ".join(modules[:10]) + (", ..." if len(modules) > 10 else "")
    return Finding(Severity.ERROR, FailureCode.ENTRYPOINT_NOT_FOUND, said, f"Its modules: {there}.", path)


def _roots(path: str) -> list[str]:
    """Where imports are looked for: the project, its src, and each folder above the agent's file."""
    folders = path.split("/")[:-1]
    return list(dict.fromkeys(["", "src/", *("/".join(folders[: n + 1]) + "/" for n in range(len(folders)))]))


def _has(module: str, files: Collection[str], path: str) -> bool:
    """As a file, or as a folder with anything in it."""
    place = module.replace(".", "/")
    return any(file.startswith((f"{root}{place}.", f"{root}{place}/")) for root in _roots(path) for file in files)


def _has_file(module: str, files: Collection[str], path: str) -> bool:
    place = module.replace(".", "/")
    return any(file.startswith(f"{root}{place}.") for root in _roots(path) for file in files)
