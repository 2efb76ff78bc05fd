"""What can be read off Python source without running it: what it binds, imports, reads and calls when it is loaded.

Pure and with little but the standard library, for it works in the process of `syntax_process.py`. Facts only: what
follows from them is decided elsewhere. Where code may do anything (`exec`, `import *`), the facts say so (`opaque`).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from typing import Any, Final

from services.gateway.submission.code_definitions import FUNCTIONS, MOST_NAMES, Fact, class_of, function_of, is_call_of

MOST_IMPORTS: Final = 500
LONGEST: Final = 200
_OPAQUE: Final = frozenset({"globals", "locals", "vars", "exec", "eval", "__import__", "setattr"})
_ELSEWHERE: Final = (*FUNCTIONS, ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def facts_of(tree: ast.Module) -> Fact:
    """The facts, as JSON has them (`code.Code` reads them)."""
    facts = _Facts()
    facts.block(tree.body, sure=True, optional=False)
    facts.everywhere(tree)
    return {
        "names": dict(list(facts.names.items())[:MOST_NAMES]),
        "main_line": facts.main_line,
        "imports": facts.imports[:MOST_IMPORTS],
        "opaque": facts.opaque or len(facts.names) > MOST_NAMES,
        "input_line": 0 if "input" in facts.names else facts.input_line,
        "environment": [] if facts.writes_environment else facts.environment[:50],
    }


class _Facts:
    """Collects while it goes through the statements in their order."""

    def __init__(self) -> None:
        self.names: dict[str, Fact] = {}
        self.imports: list[Fact] = []
        self.environment: list[Fact] = []
        self.main_line = 0
        self.input_line = 0
        self.opaque = False
        self.writes_environment = False

    def block(self, statements: Sequence[ast.stmt], *, sure: bool, optional: bool) -> None:
        """`sure`: it runs whenever the file is loaded. `optional`: what fails in it is caught."""
        for one in statements:
            self.statement(one, sure=sure, optional=optional)

    def statement(self, one: ast.stmt, *, sure: bool, optional: bool) -> None:
        if isinstance(one, FUNCTIONS):
            self.bind(one.name, one.lineno, sure=sure, **function_of(one))
        elif isinstance(one, ast.ClassDef):
            self.bind(one.name, one.lineno, sure=sure, **class_of(one))
        elif isinstance(one, (ast.Import, ast.ImportFrom)):
            self.imported(one, "maybe" if optional or not sure else "always", sure=sure and not optional)
        elif isinstance(one, ast.If):
            self.condition(one, sure=sure, optional=optional)
        elif isinstance(one, (ast.Try, ast.TryStar)):
            self.attempt(one, sure=sure, optional=optional)
        elif isinstance(one, (ast.For, ast.AsyncFor, ast.While)):
            self.loop(one, sure=sure, optional=optional)
        elif isinstance(one, (ast.With, ast.AsyncWith)):
            self.context(one, sure=sure, optional=optional)
        elif isinstance(one, ast.Match):
            self.match(one, optional=optional)
        else:
            self.simple(one, sure=sure, optional=optional)

    def attempt(self, one: ast.Try | ast.TryStar, *, sure: bool, optional: bool) -> None:
        catches = optional or bool(one.handlers)
        self.block(one.body, sure=sure and not one.handlers, optional=catches)
        for handler in one.handlers:
            self.block(handler.body, sure=False, optional=optional)
        self.block(one.orelse, sure=sure and not one.handlers, optional=catches)
        self.block(one.finalbody, sure=sure, optional=optional)

    def loop(self, one: ast.For | ast.AsyncFor | ast.While, *, sure: bool, optional: bool) -> None:
        always = False
        if isinstance(one, ast.While):
            always = isinstance(one.test, ast.Constant) and bool(one.test.value)
            self.evaluated(one.test, sure=sure and not optional)
        else:
            self.targets(one.target, "unknown", sure=False)
            self.evaluated(one.iter, sure=sure and not optional)
        self.block(one.body, sure=sure and always, optional=optional)
        self.block(one.orelse, sure=False, optional=optional)

    def context(self, one: ast.With | ast.AsyncWith, *, sure: bool, optional: bool) -> None:
        for item in one.items:
            self.evaluated(item.context_expr, sure=sure and not optional)
            if item.optional_vars is not None:
                self.targets(item.optional_vars, "unknown", sure=sure)
        suppresses = any("suppress" in ast.unparse(item.context_expr)[:200] for item in one.items)
        self.block(one.body, sure=sure and not suppresses, optional=optional or suppresses)

    def match(self, one: ast.Match, *, optional: bool) -> None:
        for case in one.cases:
            for pattern in ast.walk(case.pattern):
                name = getattr(pattern, "name", None) or getattr(pattern, "rest", None)
                if isinstance(name, str):
                    self.bind(name, one.lineno, sure=False, kind="unknown")
            self.block(case.body, sure=False, optional=optional)

    def condition(self, one: ast.If, *, sure: bool, optional: bool) -> None:
        test = ast.unparse(one.test)[:200] if isinstance(one.test, (ast.Compare, ast.Name, ast.Attribute)) else ""
        if test in {"__name__ == '__main__'", "'__main__' == __name__"}:
            self.main_line = self.main_line or one.lineno
            self.block(one.orelse, sure=sure, optional=optional)
        elif test in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}:
            self.block(one.orelse, sure=sure, optional=optional)
        else:
            self.evaluated(one.test, sure=sure and not optional)
            self.block(one.body, sure=False, optional=optional)
            self.block(one.orelse, sure=False, optional=optional)

    def simple(self, one: ast.stmt, *, sure: bool, optional: bool) -> None:
        if isinstance(one, ast.Assign):
            for target in one.targets:
                self.targets(target, _kind_of(one.value), sure=sure, made_of=_maker(one.value))
        elif isinstance(one, ast.AnnAssign) and one.value is not None:
            self.targets(one.target, _kind_of(one.value), sure=sure, made_of=_maker(one.value))
        elif isinstance(one, ast.AugAssign):
            self.targets(one.target, "unknown", sure=sure)
        elif isinstance(one, ast.Delete):
            for target in one.targets:
                self.targets(target, "unknown", sure=False)
        for part in ast.iter_child_nodes(one):
            if isinstance(part, ast.expr):
                self.evaluated(part, sure=sure and not optional)

    def targets(self, target: ast.expr, kind: str, *, sure: bool, made_of: str = "") -> None:
        for part in ast.walk(target):
            if isinstance(part, ast.Name) and isinstance(part.ctx, (ast.Store, ast.Del)):
                whole = part is target
                given = {"kind": kind, "made_of": made_of} if whole else {"kind": "unknown"}
                self.bind(part.id, part.lineno, sure=sure, **given)

    def bind(self, name: str, line: int, *, sure: bool, kind: str, **more: Any) -> None:
        if not sure or (name in self.names and not self.names[name]["sure"]):
            kind, more, sure = "unknown", {}, False
        self.names[name[:LONGEST]] = {"kind": kind, "line": line, "sure": sure, **more}

    def imported(self, one: ast.Import | ast.ImportFrom, how: str, *, sure: bool) -> None:
        level = one.level if isinstance(one, ast.ImportFrom) else 0
        for alias in one.names:
            if alias.name == "*":
                self.opaque = True
            elif how != "when_called":
                name = alias.asname or alias.name.partition(".")[0]
                kind = "module" if isinstance(one, ast.Import) else "imported"
                source = alias.name if isinstance(one, ast.Import) else f"{'.' * level}{one.module or ''}"
                self.bind(name, one.lineno, sure=sure, kind=kind, made_of=source[:LONGEST])
            module = alias.name if isinstance(one, ast.Import) else one.module or ""
            given = [alias.name] if isinstance(one, ast.ImportFrom) and alias.name != "*" else []
            fact = {"module": module[:LONGEST], "names": given, "level": level or 0, "line": one.lineno, "how": how}
            self.imports.append(fact)

    def evaluated(self, expression: ast.expr, *, sure: bool) -> None:
        """What is asked for while the file is loaded."""
        for part in _parts(expression):
            if isinstance(part, ast.NamedExpr):
                self.targets(part.target, "unknown", sure=False)
            if not sure:
                continue
            if is_call_of(part, "input") and not self.input_line:
                self.input_line = part.lineno
            if (name := _variable(part)) is not None:
                self.environment.append({"name": name[:LONGEST], "line": part.lineno})

    def everywhere(self, tree: ast.Module) -> None:
        """What counts wherever it stands: in functions, too."""
        module_level = {id(one) for one in ast.walk(tree) if isinstance(one, (ast.Import, ast.ImportFrom))}
        for function in ast.walk(tree):
            if isinstance(function, FUNCTIONS):
                caught = {
                    id(inner)
                    for attempt in ast.walk(function)
                    if isinstance(attempt, (ast.Try, ast.TryStar)) and attempt.handlers
                    for inner in ast.walk(attempt)
                }
                for one in ast.walk(function):
                    if isinstance(one, (ast.Import, ast.ImportFrom)) and id(one) in module_level:
                        module_level.discard(id(one))
                        self.imported(one, "maybe" if id(one) in caught else "when_called", sure=False)
        for part in ast.walk(tree):
            if isinstance(part, ast.Global):
                for name in part.names:
                    self.bind(name, part.lineno, sure=False, kind="unknown")
            self.opaque |= _may_bind_anything(part)
            self.writes_environment |= _writes_environment(part)


def _may_bind_anything(part: ast.AST) -> bool:
    if isinstance(part, ast.Name):
        return part.id in _OPAQUE and isinstance(part.ctx, ast.Load)
    if isinstance(part, ast.Attribute):
        return part.attr == "modules"  # of sys
    return isinstance(part, FUNCTIONS) and part.name == "__getattr__"


def _maker(value: ast.expr) -> str:
    """The name that is called for an object, with dots where it is a part of something."""
    part = value.func if isinstance(value, ast.Call) else None
    names: list[str] = []
    while isinstance(part, ast.Attribute):
        names.append(part.attr)
        part = part.value
    return ".".join((part.id, *reversed(names)))[:LONGEST] if isinstance(part, ast.Name) else ""


def _parts(expression: ast.AST) -> Iterator[Any]:
    """The parts that are evaluated for sure with the expression."""
    waiting = [expression]
    while waiting:
        part = waiting.pop()
        yield part
        if isinstance(part, _ELSEWHERE):
            continue
        if isinstance(part, ast.IfExp):
            waiting.append(part.test)
        elif isinstance(part, ast.BoolOp):
            waiting.append(part.values[0])
        else:
            waiting.extend(ast.iter_child_nodes(part))


def _kind_of(value: ast.expr) -> str:
    """What kind of thing an expression gives, where that is plain."""
    if isinstance(value, (ast.Constant, ast.JoinedStr, ast.Dict, ast.List, ast.Tuple, ast.Set, ast.Compare)):
        return "data"
    if isinstance(value, ast.Call):
        return "object"
    return "unknown"


def _is_environment(node: ast.AST) -> bool:
    return (isinstance(node, ast.Attribute) and node.attr == "environ") or (
        isinstance(node, ast.Name) and node.id == "environ"
    )


def _variable(part: object) -> str | None:
    """The variable without which `os.environ[...]` raises."""
    if not isinstance(part, ast.Subscript) or not isinstance(part.ctx, ast.Load) or not _is_environment(part.value):
        return None
    name = part.slice.value if isinstance(part.slice, ast.Constant) else None
    return name if isinstance(name, str) else None


def _writes_environment(part: ast.AST) -> bool:
    if isinstance(part, ast.Subscript):
        return isinstance(part.ctx, ast.Store) and _is_environment(part.value)
    if isinstance(part, ast.Attribute):
        return part.attr in {"setdefault", "update", "putenv", "load_dotenv"} and (
            part.attr in {"putenv", "load_dotenv"} or _is_environment(part.value)
        )
    return isinstance(part, ast.Name) and part.id in {"load_dotenv", "putenv"}
