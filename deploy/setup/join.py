"""Joins modules into the files that must stand alone where they run: the harness, and the server of a package.

    python -m deploy.setup.join            writes them (`make docs` does)
    python -m deploy.setup.join --check    exits with 1 and names those that are not up to date

It reads the modules as text and runs none of them. Their code and comments stay as written; what they import of one
another goes, as in one file everything is there. A program may have a second file, with what few of its runs need: it
is loaded into the same namespace when something of it is first called, so the first may call what is there and no more.
"""

from __future__ import annotations

import argparse
import ast
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from deploy.setup.products import PRODUCTS, Product
from deploy.setup.steps import PROJECT
from deploy.setup.two_files import CannotJoin, Part, called_of, names_of, parts_of


@dataclass(slots=True)
class _Imports:
    """What the file imports: plain lines as written, and the names taken from each module."""

    lines: dict[str, str] = field(default_factory=dict)
    taken: dict[str, set[str]] = field(default_factory=dict)

    def text(self, indent: str = "") -> str:
        plain = [self.lines[key] for key in sorted(self.lines)]
        named = [f"from {module} import {', '.join(sorted(self.taken[module]))}" for module in sorted(self.taken)]
        return "".join(f"{indent}{line}\n" for line in (*plain, *named))


def join(product: Product, root: Path = PROJECT) -> dict[str, str]:
    """The text of each file, by its path. Raises CannotJoin."""
    joining = _Joining(product)
    for module in product.modules:
        joining.add(module, (root / f"{module.replace('.', '/')}.py").read_text("utf-8"))
    return joining.texts((root / product.package.replace(".", "/") / "__init__.py").read_text("utf-8"))


class _Joining:
    """What has been read of the modules so far."""

    def __init__(self, product: Product) -> None:
        self.product = product
        self.packages = {module.rpartition(".")[0] for module in product.modules} | {product.package}
        self.imports = _Imports()
        self.for_types = _Imports()  # inside `if TYPE_CHECKING:`
        self.defined: dict[str, str] = {}  # name: module
        self.imported: dict[str, str] = {}  # name: what it stands for
        self.parts: list[Part] = []

    def add(self, module: str, source: str) -> None:
        tree, lines = ast.parse(source), source.splitlines()
        title = (ast.get_docstring(tree) or "").partition("\n")[0].rstrip(".")
        if not title:
            raise CannotJoin(f"{module}: there is no docstring to make a heading of")
        left_out: list[ast.stmt] = []
        names: set[str] = set()
        for index, node in enumerate(tree.body):
            if (index == 0 and _is_text(node)) or self._is_an_import(module, node, lines[node.lineno - 1]):
                left_out.append(node)
            else:
                self._refuse_imports_inside(module, node)
                names |= set(names_of(node))
        for name in sorted(names):
            if name in self.defined:
                raise CannotJoin(f"{module}: {name} is defined in {self.defined[name]}, too")
            self.defined[name] = module
        first = self.product.in_rest.get(module)
        for name in first or ():
            if name not in names:
                raise CannotJoin(f"{module}: there is no {name} to be kept in the first file")
        self.parts += parts_of(module, title, tree, lines, left_out, first)

    def texts(self, package_source: str) -> dict[str, str]:
        docstring = ast.parse(package_source).body[0]
        if not _is_text(docstring):
            raise CannotJoin(f"{self.product.package}: there is no docstring to begin the file with")
        for name, meant in self.imported.items():
            if name in self.defined:
                raise CannotJoin(f"{self.defined[name]}: {name} is the name of an import, too: {meant}")
        header = "\n".join(package_source.splitlines()[: docstring.end_lineno])
        made = f"# Made from {self.product.package.replace('.', '/')}/ by deploy/setup/join.py: edit there.\n"
        future = "from __future__ import annotations\n"
        parts = [f"{header}\n\n{made}", future, self.imports.text()]
        if types := self.for_types.text("    "):
            parts.append(f"TYPE_CHECKING = False\nif TYPE_CHECKING:\n{types}")
        found = {self.product.path: "\n\n".join(("\n".join(parts), *self._first_file()))}
        if self.product.rest_path:
            first = self.product.path.rpartition("/")[2]
            says = f'"""What few runs of {first} need: it loads this into its own namespace when they call for it."""\n'
            rest = [part.text for part in self.parts if part.in_rest]
            found[self.product.rest_path] = "\n\n".join((f"{says}\n{made}\n{future}", *rest))
        return found

    def _first_file(self) -> Iterator[str]:
        called = called_of(self.parts)
        for part in self.parts:
            if not part.in_rest:
                yield part.text
                if part.module == self.product.after:
                    yield "".join(f'{name} = from_the_rest("{name}")\n' for name in called)

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


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m deploy.setup.join", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if a file is not up to date")
    given = parser.parse_args(arguments)
    old = []
    for product in PRODUCTS:
        try:
            texts = join(product)
        except CannotJoin as error:
            print(f"{product.path}: {error}", file=sys.stderr)
            return 1
        for name, text in texts.items():
            path = PROJECT / name
            if path.exists() and path.read_text("utf-8") == text:
                continue
            old.append(name)
            if not given.check:
                path.write_text(text, "utf-8")
                print(f"wrote {name}")
    if given.check and old:
        print(f"not up to date: {', '.join(old)}. Run `make docs`.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
