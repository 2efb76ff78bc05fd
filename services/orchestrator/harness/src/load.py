"""agent.py as a module."""

from __future__ import annotations

import posix as os  # what is in os without what makes its import cost a millisecond
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType


def load_agent(code: str) -> ModuleType:
    """Runs agent.py as the module `agent`, with the work folder first on the path."""
    work = os.getcwd()
    path = f"{work}/agent.py"
    sys.argv = [path]
    if sys.path and sys.path[0] == __file__.rpartition("/")[0]:
        del sys.path[0]
    sys.path.insert(0, work)
    import builtins

    for name in ("exit", "quit"):  # python -S has none
        if not hasattr(builtins, name):
            setattr(builtins, name, sys.exit)
    module = type(sys)("agent")
    module.__file__ = path
    sys.modules["agent"] = module
    exec(compile(code, path, "exec", dont_inherit=True), module.__dict__)  # this is what we are for
    return module
