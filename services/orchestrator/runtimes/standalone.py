"""How a process of ours is started that must be small: by an interpreter that has the standard library and the modules
it is made of, and nothing of what is installed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

_ROOT: Final = Path(__file__).parents[3]
"""the folder that `services` is in"""
_START: Final = "import sys; sys.path.append(sys.argv.pop(1)); from {module} import main; main()"
# Behind the standard library: what is installed beside us must not take the place of a module of it.


def command(module: str) -> list[str]:
    """The line that calls `main` of a module; its arguments go behind."""
    return [sys.executable, "-S", "-I", "-c", _START.format(module=module), str(_ROOT)]
