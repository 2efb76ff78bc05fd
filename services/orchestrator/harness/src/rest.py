"""What most tests do not need: in a file of its own beside this one, loaded when something of it is first called.

Reading and running all of it takes a millisecond, and every test would pay for it. Into the same namespace: what is
loaded takes the place of the functions made here, and neither half can tell where the other's code comes from.
"""

from __future__ import annotations

import marshal
import posix as os  # what is in os without what makes its import cost a millisecond
from typing import TYPE_CHECKING

from services.orchestrator.harness.src.file_descriptors import read_all
from services.orchestrator.harness.src.own_files import OUR_FILES

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType
    from typing import Any

OUR_PLACE = __file__  # absolute, and known before an agent can change it or the work folder
OUR_NAMESPACE = globals()
PYC_HEADER = 16  # bytes before the code
TOO_MANY_FILES = 24  # EMFILE


def from_the_rest(name: str) -> Callable[..., Any]:
    """Stands for a function or class until the rest is loaded. It raises OSError where that cannot be read."""

    def call(*args: Any, **kwargs: Any) -> Any:
        if OUR_NAMESPACE[name] is call:
            exec(code_of_the_rest(), OUR_NAMESPACE)
        return OUR_NAMESPACE[name](*args, **kwargs)

    return call


def code_of_the_rest() -> CodeType:
    """Compiled where we are: by the interpreter that runs us, then."""
    stem, _, ending = OUR_PLACE.rpartition(".")
    if ending == "pyc":
        try:
            compiled = _content(f"{stem}_rest.pyc")
        except FileNotFoundError:
            pass
        else:
            code: CodeType = marshal.loads(compiled[PYC_HEADER:])
            return code
    return compile(_content(f"{stem}_rest.py"), OUR_FILES[1], "exec", dont_inherit=True)


def _content(path: str) -> bytes:
    """By system calls: an agent may have replaced `open`, and have used up its file descriptors."""
    gave_up_input = False
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        if error.errno != TOO_MANY_FILES:
            raise
        os.close(0)
        gave_up_input = True
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return read_all(fd)
    finally:
        os.close(fd)
        if gave_up_input:
            os.open("/dev/null", os.O_RDONLY)
