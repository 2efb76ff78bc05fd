"""Joins modules into the files that must stand alone where they run: the harness, and the server of a package.

    python -m deploy.setup.join            writes them (`make docs` does)
    python -m deploy.setup.join --check    exits with 1 and names those that are not up to date

It reads the modules as text and runs none of them. Their code and comments stay as written; what they import of one
another goes, as in one file everything is there.
"""

from __future__ import annotations

import argparse
import ast
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from deploy.setup.steps import PROJECT

HARNESS = "services.orchestrator.harness.src"
SERVER = "services.packager.server_src"


@dataclass(frozen=True, slots=True)
class Product:
    """One file, and what it is made of."""

    path: str
    """From the root of the project."""
    package: str
    """Whose docstring is that of the file."""
    modules: Sequence[str]
    """In this order; each may import those before it."""
    may_import: frozenset[str]
    """What the file may import whenever it starts: every start pays for it. The rest is imported where it is used."""


PRODUCTS = (
    Product(
        path="services/orchestrator/harness/test_runner.py",
        package=HARNESS,
        modules=(
            f"{HARNESS}.jsontext",
            f"{HARNESS}.naming",
            f"{HARNESS}.system",
            f"{HARNESS}.file_descriptors",
            f"{HARNESS}.environment",
            f"{HARNESS}.frames",
            f"{HARNESS}.levels",
            f"{HARNESS}.output",
            f"{HARNESS}.streams",
            f"{HARNESS}.children",
            f"{HARNESS}.watch",
            f"{HARNESS}.context",
            f"{HARNESS}.files",
            f"{HARNESS}.transport",
            f"{HARNESS}.install_message",
            f"{HARNESS}.install",
            f"{HARNESS}.load",
            f"{HARNESS}.parameters",
            f"{HARNESS}.query_names",
            f"{HARNESS}.record_values",
            f"{HARNESS}.typed_values",
            f"{HARNESS}.query_values",
            f"{HARNESS}.code_reading",
            f"{HARNESS}.payload",
            f"{HARNESS}.keywords",
            f"{HARNESS}.advice",
            f"{HARNESS}.plan",
            f"{HARNESS}.arrival",
            f"{HARNESS}.binding",
            f"{HARNESS}.call_context",
            f"{HARNESS}.printed",
            f"{HARNESS}.relations",
            f"{HARNESS}.commands",
            f"{HARNESS}.frameworks",
            f"{HARNESS}.servers",
            f"{HARNESS}.imported",
            f"{HARNESS}.registered",
            f"{HARNESS}.candidates",
            f"{HARNESS}.script_parts",
            f"{HARNESS}.handed_on",
            f"{HARNESS}.refusals",
            f"{HARNESS}.entry",
            f"{HARNESS}.script_reading",
            f"{HARNESS}.script",
            f"{HARNESS}.offered",
            f"{HARNESS}.missing_program",
            f"{HARNESS}.hints",
            f"{HARNESS}.kinds",
            f"{HARNESS}.framework_answers",
            f"{HARNESS}.table_values",
            f"{HARNESS}.pending_values",
            f"{HARNESS}.python_values",
            f"{HARNESS}.web_values",
            f"{HARNESS}.conversions",
            f"{HARNESS}.fitting",
            f"{HARNESS}.conversion_notes",
            f"{HARNESS}.time_budget",
            f"{HARNESS}.answers",
            f"{HARNESS}.usage",
            f"{HARNESS}.yields",
            f"{HARNESS}.shown_answer",
            f"{HARNESS}.agent_loop",
            f"{HARNESS}.call",
            f"{HARNESS}.particulars",
            f"{HARNESS}.reply",
            f"{HARNESS}.agent_streams",
            f"{HARNESS}.agent_process",
            f"{HARNESS}.memory",
            f"{HARNESS}.system_packages",
            f"{HARNESS}.run",
            f"{HARNESS}.main",
        ),
        may_import=frozenset({"_signal", "io", "posix", "select", "sys", "time"}),
    ),
    Product(
        path="services/packager/templates/server.py",
        package=SERVER,
        modules=(
            f"{SERVER}.settings",
            f"{SERVER}.reports",
            f"{HARNESS}.jsontext",
            f"{SERVER}.worker_process",
            f"{SERVER}.pool",
            f"{SERVER}.http_service",
            f"{SERVER}.service",
            f"{HARNESS}.naming",
            f"{HARNESS}.parameters",
            f"{HARNESS}.query_names",
            f"{HARNESS}.record_values",
            f"{HARNESS}.typed_values",
            f"{HARNESS}.query_values",
            f"{HARNESS}.code_reading",
            f"{HARNESS}.payload",
            f"{HARNESS}.keywords",
            f"{HARNESS}.advice",
            f"{HARNESS}.plan",
            f"{HARNESS}.arrival",
            f"{HARNESS}.binding",
            f"{HARNESS}.call_context",
            f"{HARNESS}.printed",
            f"{HARNESS}.relations",
            f"{HARNESS}.commands",
            f"{HARNESS}.frameworks",
            f"{HARNESS}.servers",
            f"{HARNESS}.imported",
            f"{HARNESS}.registered",
            f"{HARNESS}.candidates",
            f"{HARNESS}.script_parts",
            f"{HARNESS}.handed_on",
            f"{HARNESS}.refusals",
            f"{HARNESS}.entry",
            f"{HARNESS}.kinds",
            f"{HARNESS}.framework_answers",
            f"{HARNESS}.table_values",
            f"{HARNESS}.pending_values",
            f"{HARNESS}.python_values",
            f"{HARNESS}.web_values",
            f"{HARNESS}.conversions",
            f"{HARNESS}.fitting",
            f"{HARNESS}.conversion_notes",
            f"{HARNESS}.time_budget",
            f"{HARNESS}.answers",
            f"{HARNESS}.usage",
            f"{HARNESS}.yields",
            f"{HARNESS}.shown_answer",
            f"{HARNESS}.agent_loop",
            f"{HARNESS}.call",
            f"{HARNESS}.load",
            f"{HARNESS}.script_reading",
            f"{HARNESS}.script",
            f"{SERVER}.script_runs",
            f"{SERVER}.worker",
            f"{SERVER}.main",
        ),
        may_import=frozenset(
            {
                *("hmac", "http", "json", "os", "queue", "select", "shutil", "signal", "socketserver"),
                *("subprocess", "sys", "tempfile", "threading", "time"),
            }
        ),
    ),
)


class CannotJoin(Exception):
    """The modules do not go into one file; the message names the module and the line."""


@dataclass(slots=True)
class _Imports:
    """What the file imports: plain lines as written, and the names taken from each module."""

    lines: dict[str, str] = field(default_factory=dict)
    taken: dict[str, set[str]] = field(default_factory=dict)

    def text(self, indent: str = "") -> str:
        plain = [self.lines[key] for key in sorted(self.lines)]
        named = [f"from {module} import {', '.join(sorted(self.taken[module]))}" for module in sorted(self.taken)]
        return "".join(f"{indent}{line}\n" for line in (*plain, *named))


def join(product: Product, root: Path = PROJECT) -> str:
    """The text of the file. Raises CannotJoin."""
    joining = _Joining(product)
    for module in product.modules:
        joining.add(module, (root / f"{module.replace('.', '/')}.py").read_text("utf-8"))
    return joining.text((root / product.package.replace(".", "/") / "__init__.py").read_text("utf-8"))


class _Joining:
    """What has been read of the modules so far."""

    def __init__(self, product: Product) -> None:
        self.product = product
        self.packages = {module.rpartition(".")[0] for module in product.modules} | {product.package}
        self.imports = _Imports()
        self.for_types = _Imports()  # inside `if TYPE_CHECKING:`
        self.defined: dict[str, str] = {}  # name: module
        self.imported: dict[str, str] = {}  # name: what it stands for
        self.bodies: list[str] = []

    def add(self, module: str, source: str) -> None:
        tree, lines = ast.parse(source), source.splitlines()
        title = (ast.get_docstring(tree) or "").partition("\n")[0].rstrip(".")
        if not title:
            raise CannotJoin(f"{module}: there is no docstring to make a heading of")
        gone: set[int] = set()  # numbers of lines
        names: set[str] = set()
        for index, node in enumerate(tree.body):
            written = range(node.lineno, (node.end_lineno or node.lineno) + 1)
            if (index == 0 and _is_text(node)) or self._is_an_import(module, node, lines[node.lineno - 1]):
                gone.update(written)
            else:
                self._refuse_imports_inside(module, node)
                names |= set(_names_of(node))
        for name in sorted(names):
            if name in self.defined:
                raise CannotJoin(f"{module}: {name} is defined in {self.defined[name]}, too")
            self.defined[name] = module
        body = "\n".join(line for number, line in enumerate(lines, 1) if number not in gone)
        self.bodies.append(f"# --- {title}\n\n\n{body.strip(chr(10))}\n")

    def text(self, package_source: str) -> str:
        docstring = ast.parse(package_source).body[0]
        if not _is_text(docstring):
            raise CannotJoin(f"{self.product.package}: there is no docstring to begin the file with")
        for name, meant in self.imported.items():
            if name in self.defined:
                raise CannotJoin(f"{self.defined[name]}: {name} is the name of an import, too: {meant}")
        header = "\n".join(package_source.splitlines()[: docstring.end_lineno])
        own = self.product.package.replace(".", "/")
        parts = [
            f"{header}\n\n# Made from {own}/ by deploy/setup/join.py: edit there.\n",
            "from __future__ import annotations\n",
            self.imports.text(),
        ]
        if types := self.for_types.text("    "):
            parts.append(f"TYPE_CHECKING = False\nif TYPE_CHECKING:\n{types}")
        return "\n\n".join(("\n".join(parts), *self.bodies))

    def _is_an_import(self, module: str, node: ast.stmt, line: str) -> bool:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            for inner in node.body:
                if not isinstance(inner, ast.ImportFrom) or self._is_ours(inner.module):
                    raise CannotJoin(f"{module}:{inner.lineno}: only names of other packages under TYPE_CHECKING")
                self._take(module, inner, self.for_types)
            return True
        if isinstance(node, ast.Import):
            if ast.unparse(node) == "import posix as os" and "os" in self.product.may_import:
                self._bind(module, node, "os", "os")  # which has all of it; but `environ` is text there and bytes here
                self.imports.lines.setdefault("import os", "import os")
                return True
            for alias in node.names:
                self._must_be_allowed(module, node, alias.name)
                self._bind(module, node, alias.asname or alias.name, alias.name)
            self.imports.lines.setdefault(ast.unparse(node), line)
            return True
        if not isinstance(node, ast.ImportFrom):
            return False
        if self._is_ours(node.module):
            self._check_sibling(module, node)
        elif node.module != "__future__" and ast.unparse(node) != "from typing import TYPE_CHECKING":
            self._must_be_allowed(module, node, node.module or "")
            self._take(module, node, self.imports)
        return True

    def _is_ours(self, module: str | None) -> bool:
        return module is not None and module.partition(".")[0] in {name.partition(".")[0] for name in self.packages}

    def _check_sibling(self, module: str, node: ast.ImportFrom) -> None:
        for alias in node.names:
            if alias.asname:
                raise CannotJoin(f"{module}:{node.lineno}: {alias.name} cannot be imported under another name")
            if self.defined.get(alias.name) != node.module:
                raise CannotJoin(f"{module}:{node.lineno}: {node.module}.{alias.name} is not in a module before it")

    def _must_be_allowed(self, module: str, node: ast.stmt, imported: str) -> None:
        if imported.partition(".")[0] not in self.product.may_import:
            raise CannotJoin(f"{module}:{node.lineno}: {imported} has to be imported where it is used: starts are slow")

    def _take(self, module: str, node: ast.ImportFrom, imports: _Imports) -> None:
        for alias in node.names:
            self._bind(module, node, alias.asname or alias.name, f"{node.module}.{alias.name}")
            imports.taken.setdefault(node.module or "", set()).add(ast.unparse(alias))

    def _bind(self, module: str, node: ast.stmt, name: str, meant: str) -> None:
        if self.imported.setdefault(name, meant) != meant:
            raise CannotJoin(f"{module}:{node.lineno}: {name} is {meant} here and {self.imported[name]} elsewhere")

    def _refuse_imports_inside(self, module: str, node: ast.stmt) -> None:
        for inner in ast.walk(node):
            taken = [inner.module] if isinstance(inner, ast.ImportFrom) else []
            if isinstance(inner, ast.Import):
                taken = [alias.name for alias in inner.names]
            if any(self._is_ours(one) for one in taken):
                raise CannotJoin(f"{module}:{node.lineno}: modules of the file are imported at the top")


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _names_of(node: ast.AST) -> Iterator[str]:
    """What a statement defines at the top level of its module, in whichever of its branches."""
    if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        yield node.name
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id
    elif not isinstance(node, ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp | ast.Lambda):
        for inner in ast.iter_child_nodes(node):
            yield from _names_of(inner)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m deploy.setup.join", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if a file is not up to date")
    given = parser.parse_args(arguments)
    old = []
    for product in PRODUCTS:
        path = PROJECT / product.path
        try:
            text = join(product)
        except CannotJoin as error:
            print(f"{product.path}: {error}", file=sys.stderr)
            return 1
        if path.exists() and path.read_text("utf-8") == text:
            continue
        old.append(product.path)
        if not given.check:
            path.write_text(text, "utf-8")
            print(f"wrote {product.path}")
    if given.check and old:
        print(f"not up to date: {', '.join(old)}. Run `make docs`.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
