"""Whether a handler hands its payload to an agent as it is, which then wants text."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any


def handed_on_as_text(function: Any, parameter: str, module: ModuleType) -> bool:
    """True where all that a function does with the parameter is to give it to an object of the module, as in
    `agent(payload)`: a platform's object would be of no use there. Reads its source; False where there is none."""
    import ast
    import inspect
    import textwrap

    try:
        with open(function.__code__.co_filename, encoding="utf-8") as file:
            lines = file.read().splitlines(True)
        text = "".join(inspect.getblock(lines[function.__code__.co_firstlineno - 1 :]))
        tree = ast.parse(textwrap.dedent(text))
    except Exception:  # no file, no source, or one that has changed: nothing is known
        return False
    given: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _is_an_object(node.func, module):
            values = [*node.args, *(keyword.value for keyword in node.keywords)]
            given |= {id(value) for value in values if isinstance(value, ast.Name) and value.id == parameter}
    read = [
        id(node)
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and node.id == parameter and isinstance(node.ctx, ast.Load)
    ]
    return bool(read) and all(one in given for one in read)


def _is_an_object(node: Any, module: ModuleType) -> bool:
    """`agent(...)`, `agent.run(...)` or `Runner.run(...)`: an object of the module, no function and no other module."""
    import ast

    while isinstance(node, ast.Attribute):
        node = node.value
    if not isinstance(node, ast.Name):
        return False
    value = vars(module).get(node.id)
    if isinstance(value, type):
        return node.id.endswith("Runner")
    return value is not None and not isinstance(value, (type(sys), type(handed_on_as_text)))
