"""Modules cut into what is in the first file of a program and what is in the second: see join.py."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass


class CannotJoin(Exception):
    """The modules do not go into the files; the message names the module and the line."""


@dataclass(frozen=True, slots=True)
class Part:
    """All of a module that goes into one of the files."""

    module: str
    in_rest: bool
    text: str
    nodes: Sequence[ast.stmt]


def parts_of(
    module: str,
    title: str,
    tree: ast.Module,
    lines: Sequence[str],
    left_out: Collection[ast.stmt],
    first: Collection[str] | None,
) -> Iterator[Part]:
    """One or two. `first`: the names that go into the first file, the others into the second; None for all of them.
    A comment goes with what follows it, those at the end with what is before them."""
    nodes: dict[bool, list[ast.stmt]] = {False: [], True: []}
    texts: dict[bool, list[str]] = {False: [], True: []}
    begin, in_rest = 0, first is not None
    for node in tree.body:
        end = node.end_lineno or node.lineno
        if node in left_out:
            texts[in_rest] += lines[begin : node.lineno - 1]
        else:
            in_rest = first is not None and not any(name in first for name in names_of(node))
            nodes[in_rest].append(node)
            texts[in_rest] += lines[begin:end]
        begin = end
    texts[in_rest] += lines[begin:]
    for which in (False, True):
        if nodes[which]:
            body = "\n".join(texts[which]).strip("\n")
            yield Part(module, which, f"# --- {title}\n\n\n{body}\n", nodes[which])


def called_of(parts: Sequence[Part]) -> list[str]:
    """What the first file takes of the second. Raises CannotJoin where it does not only call it, inside functions: it
    is not there yet when the first file starts."""
    names = {name: part.module for part in parts if part.in_rest for node in part.nodes for name in names_of(node)}
    found: set[str] = set()
    for part in parts:
        for node in part.nodes if not part.in_rest else ():
            for line, name, called in _globals_read(node, None):
                if name in names:
                    if not called:
                        raise CannotJoin(
                            f"{part.module}:{line}: {name} of {names[name]} is in the second file: inside functions it "
                            f"can be called, and no more"
                        )
                    found.add(name)
    return sorted(found)


def _globals_read(node: ast.AST, local: frozenset[str] | None) -> Iterator[tuple[int, str, bool]]:
    """The line of each global name that is read, the name, and whether it is called inside a function. Annotations do
    not count: they stay text. `local`: the names of the functions around; None outside of any."""
    if isinstance(node, ast.Name):
        if isinstance(node.ctx, ast.Load) and node.id not in (local or ()):
            yield node.lineno, node.id, False
        return
    inner = local
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        inner = (local or frozenset()) | frozenset(_locals_of(node))
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns"):
            continue
        within = inner if field == "body" else local
        for one in value if isinstance(value, list) else [value]:
            if field == "func" and within is not None and isinstance(one, ast.Name):
                if one.id not in within:
                    yield one.lineno, one.id, True
            elif isinstance(one, ast.AST):
                yield from _globals_read(one, within)


def _locals_of(function: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> Iterator[str]:
    waiting: list[ast.AST] = [function.args]
    waiting += function.body if isinstance(function.body, list) else [function.body]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name):
            if isinstance(node.ctx, ast.Store):
                yield node.id
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif not isinstance(node, ast.Lambda):
            if isinstance(node, ast.ExceptHandler) and node.name:
                yield node.name
            waiting += ast.iter_child_nodes(node)


def names_of(node: ast.AST) -> Iterator[str]:
    """What a statement defines at the top level of its module, in whichever of its branches."""
    if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        yield node.name
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id
    elif not isinstance(node, ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp | ast.Lambda):
        for inner in ast.iter_child_nodes(node):
            yield from names_of(inner)
