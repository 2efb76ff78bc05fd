"""What a definition in Python source says of the function or class that it makes. Pure; the standard library alone."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from typing import Any, Final

MOST_NAMES: Final = 1000
FUNCTIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef)

Fact = dict[str, Any]


def function_of(one: ast.FunctionDef | ast.AsyncFunctionDef) -> Fact:
    own = list(_own(one.body))
    return {
        "kind": "function",
        "decorated": bool(one.decorator_list),
        "parameters": _parameters(one.args),
        "answers": any(
            isinstance(part, (ast.Yield, ast.YieldFrom))
            or (
                isinstance(part, ast.Return)
                and part.value is not None
                and not (isinstance(part.value, ast.Constant) and part.value.value is None)
            )
            for part in own
        ),
        "reads": sorted({part.id for part in ast.walk(one) if isinstance(part, ast.Name)})[:MOST_NAMES],
        "input_line": next((part.lineno for part in own if is_call_of(part, "input")), 0),
    }


def class_of(one: ast.ClassDef) -> Fact:
    """`members` is None where others may add to what stands there."""
    members = {
        part.name if isinstance(part, (*FUNCTIONS, ast.ClassDef)) else part.id
        for part in _own(one.body)
        if isinstance(part, (*FUNCTIONS, ast.ClassDef)) or isinstance(getattr(part, "ctx", None), ast.Store)
        if hasattr(part, "name") or hasattr(part, "id")
    }
    plain = not (one.bases or one.keywords or one.decorator_list)
    return {
        "kind": "class",
        "decorated": bool(one.decorator_list),
        "members": sorted(members)[:MOST_NAMES] if plain else None,
    }


def _own(statements: Sequence[ast.stmt]) -> Iterator[Any]:
    """All nodes of a function but those of functions in it."""
    waiting: list[ast.AST] = list(statements)
    while waiting:
        part = waiting.pop()
        yield part
        if not isinstance(part, (*FUNCTIONS, ast.Lambda, ast.ClassDef)):
            waiting.extend(ast.iter_child_nodes(part))


def _parameters(args: ast.arguments) -> list[Fact]:
    positional = [*args.posonlyargs, *args.args]
    first_default = len(positional) - len(args.defaults)
    found = [
        _parameter(one, "positional", args.defaults[place - first_default] if place >= first_default else None)
        for place, one in enumerate(positional)
    ]
    if args.vararg:
        found.append({"name": args.vararg.arg, "kind": "args", "required": False, "is_text": True})
    found += [
        _parameter(one, "keyword", default) for one, default in zip(args.kwonlyargs, args.kw_defaults, strict=True)
    ]
    if args.kwarg:
        found.append({"name": args.kwarg.arg, "kind": "kwargs", "required": False, "is_text": True})
    return found


def _parameter(one: ast.arg, kind: str, default: ast.expr | None) -> Fact:
    """`is_text`: nothing says that it is a switch or a number."""
    switch = isinstance(one.annotation, (ast.Name, ast.Constant)) and ast.unparse(one.annotation).strip("'") == "bool"
    number = isinstance(default, ast.Constant) and isinstance(default.value, (bool, int, float))
    return {"name": one.arg, "kind": kind, "required": default is None, "is_text": not (switch or number)}


def is_call_of(part: object, name: str) -> bool:
    return isinstance(part, ast.Call) and isinstance(part.func, ast.Name) and part.func.id == name
