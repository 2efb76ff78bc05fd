"""The agent's file as a module: alone, or in its place in a project."""

from __future__ import annotations

import posix as os  # what is in os without what makes its import cost a millisecond
import sys
from typing import TYPE_CHECKING

from services.orchestrator.harness.src.naming import PLAIN_MODULES

if TYPE_CHECKING:
    from types import ModuleType


def load_agent(code: str, agent_path: str = "") -> ModuleType:
    """Runs the agent's file, with the work folder first on the path: agent.py from memory as the module `agent`, the
    file of a project under the name that other files of it import it by."""
    work = os.getcwd()
    begin_path()
    if agent_path:
        return _load_from_project(work, agent_path, code)
    path = f"{work}/agent.py"
    sys.argv = [path]
    sys.path.insert(0, work)
    module = type(sys)("agent")
    module.__file__ = path
    sys.modules["agent"] = module
    exec(compile(code, path, "exec", dont_inherit=True), module.__dict__)  # this is what we are for
    return module


def begin_path() -> None:
    """Without what an interpreter puts there of its own; `exit` and `quit`, which python -S has not."""
    if sys.path and sys.path[0] == __file__.rpartition("/")[0]:
        del sys.path[0]
    import builtins

    for name in ("exit", "quit"):
        if not hasattr(builtins, name):
            setattr(builtins, name, sys.exit)


def _load_from_project(work: str, agent_path: str, code: str) -> ModuleType:
    root, name = place_in_project(work, agent_path, relative="from ." in code)
    extend_path(work, root)
    path = f"{work}/{agent_path}"
    sys.argv = [path]
    PLAIN_MODULES.add(name)
    if "." in name or path == f"{root}/{name}.py":
        __import__(name)
        return sys.modules[name]
    from importlib import util

    spec = util.spec_from_file_location(name, path)  # a name that no import statement can write: my-agent.py
    assert spec is not None
    assert spec.loader is not None
    module = util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def extend_path(work: str, root: str) -> None:
    """The work folder, src where there is one, and where the agent's own package begins: the first of them first."""
    source = f"{work}/src"
    roots = [work, *([source] if os.access(source, os.X_OK) else []), root]
    sys.path[:0] = list(dict.fromkeys(roots))


def place_in_project(work: str, agent_path: str, *, relative: bool = False) -> tuple[str, str]:
    """The folder that the file is imported from, and its name there: upwards as long as there is an __init__.py. With
    `relative` imports and no __init__.py its folders are packages all the same, as for `python -m`."""
    folders = agent_path.split("/")
    stem = folders.pop().rpartition(".py")[0]
    top = len(folders)
    while top and os.access(f"{work}/{'/'.join(folders[:top])}/__init__.py", os.R_OK):
        top -= 1
    if relative and top == len(folders) and folders:
        top = 1 if folders[0] == "src" else 0
    package = folders[top:]
    root = "/".join((work, *folders[:top]))
    if stem == "__init__" and package:
        return root, ".".join(package)
    if stem in ("__main__", "__init__") and not package:
        return root, "agent"
    if not package:
        stem = "".join(letter if letter.isalnum() or letter == "_" else "_" for letter in stem)
    return root, ".".join((*package, stem))
