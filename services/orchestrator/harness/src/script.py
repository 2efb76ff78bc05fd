"""An agent that is a script: run as `python agent.py QUERY`, or `python -m package QUERY`, would run it."""

from __future__ import annotations

import posix as os  # what is in os without what makes its import cost a millisecond
import sys
from typing import TYPE_CHECKING

from services.orchestrator.harness.src.entry import EntrypointNotFound
from services.orchestrator.harness.src.load import begin_path, extend_path, place_in_project
from services.orchestrator.harness.src.naming import PLAIN_MODULES
from services.orchestrator.harness.src.plan import QueryNotAccepted
from services.orchestrator.harness.src.script_reading import can_be_asked

if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any


MAIN = "__main__"


def script_of(entrypoint: str | None) -> str | None:
    """Of `__main__` and `agent:__main__` the empty text, of `package.__main__` and `package:__main__` the package that
    runs; None for what is no script."""
    if not entrypoint or entrypoint.replace(":", ".").rpartition(".")[2] != MAIN:
        return None
    where = entrypoint.replace(":", ".").rpartition(".")[0]
    if where.rpartition(".")[2] == MAIN:  # package.__main__:__main__
        where = where.rpartition(".")[0]
    return "" if where == "agent" else where


class Script:
    """What is run, for the result of the test."""

    def __init__(self, package: str, agent_path: str, query: str | None) -> None:
        self.package = package
        self.file = package or agent_path or "agent.py"
        self.query = query
        self.refused = False

    def must_be_asked(self, code: str, agent_path: str) -> None:
        """Raises QueryNotAccepted where nothing of the sources could read a query; SyntaxError."""
        if self.query is None or (self.package and not _is_in_the_project(self.package)):
            return
        if can_be_asked(code, in_project=bool(agent_path)):
            return
        compile(code, self.file, "exec", dont_inherit=True)  # what is no Python says that first
        self.refused = True
        raise QueryNotAccepted(
            f"{self.file} cannot take the query: it reads neither its command line nor its standard input nor "
            "ASSAY_QUERY.",
            "Take the query from one of these, as in query = sys.argv[1], give the file a function run(query), or "
            "submit without a query (--no-query) to run it as it is.",
        )

    def report(self) -> dict[str, object]:
        run = f"python -m {self.package}" if self.package else f"python {self.file}"
        return {
            "name": f"{self.package}:{MAIN}" if self.package else MAIN,
            "kind": "script",
            "signature": "",
            "call": "" if self.refused else (run if self.query is None else f'{run} "$query"')[:300],
            "query_passed": self.query is not None and not self.refused,
            "named": True,
            "candidates": [],
        }

    def run(self, code: str, agent_path: str) -> None:
        """To its end. Raises what it raises, SystemExit too, and EntrypointNotFound."""
        work = os.getcwd()
        begin_path()
        arguments = [] if self.query is None else [self.query]
        package = self.package
        root = work
        if agent_path:
            root, name = place_in_project(work, agent_path, relative="from ." in code)
            if not package and "." in name:  # so that its relative imports work
                package = name.removesuffix(f".{MAIN}")
        extend_path(work, root)
        module = _new_main()
        if not package:
            path = f"{work}/{agent_path or 'agent.py'}"
            sys.path.insert(0, path.rpartition("/")[0])
            sys.argv = [path, *arguments]
            module.__file__ = path
            exec(compile(code, path, "exec", dont_inherit=True), module.__dict__)  # this is what we are for
            return
        _look_for(package)
        import runpy

        sys.argv = [package, *arguments]
        runpy._run_module_as_main(package)  # type: ignore[attr-defined]  # what `python -m` itself does


def _look_for(package: str) -> None:
    """Raises EntrypointNotFound where `python -m` would end with a message of its own."""
    from importlib.util import find_spec

    try:
        spec = find_spec(package)
    except ModuleNotFoundError as error:
        if not (error.name and f"{package}.".startswith(f"{error.name}.")):
            raise
        spec = None
    if spec is None:
        raise EntrypointNotFound(f"There is no module {package!r} to run as a script.")
    if spec.submodule_search_locations is not None and find_spec(f"{package}.{MAIN}") is None:
        raise EntrypointNotFound(
            f"{package!r} is a package without a {MAIN}.py: there is nothing in it that could be run as a script."
        )


def _is_in_the_project(package: str) -> bool:
    """Whether its sources are there to be read."""
    path = package.replace(".", "/")
    ends = (f"/{MAIN}.py", ".py")
    return any(os.access(f"{folder}{path}{end}", os.R_OK) for folder in ("", "src/") for end in ends)


def _new_main() -> ModuleType:
    module = type(sys)(MAIN)
    module.__dict__["__builtins__"] = sys.modules["builtins"]
    _kept.append(sys.modules[MAIN])
    sys.modules[MAIN] = module
    PLAIN_MODULES.add(MAIN)
    return module


_kept: list[Any] = []  # our own main module, whose names its functions still need
