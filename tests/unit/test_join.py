"""Modules joined into one file that stands alone."""

import ast
from pathlib import Path

import pytest

from deploy.setup.join import join
from deploy.setup.products import PRODUCTS, Product
from deploy.setup.steps import PROJECT
from deploy.setup.two_files import CannotJoin

START = '"""Says hello.\n\n    hello.py\n"""\n'
PRODUCT = Product("made/hello.py", "made.src", ("made.src.words", "made.src.main"), frozenset({"sys", "time"}))

WORDS = '''"""Words.

More about words.
"""

from __future__ import annotations

import time  # for the hour
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

MORNING = 12  # hours


# why a generator
def words() -> Iterator[str]:
    """What is said."""
    import os

    hours = [hour for hour in range(MORNING)]
    yield "good morning" if time.gmtime().tm_hour in hours else os.name
'''

MAIN = '''"""The program."""

from __future__ import annotations

import sys
import time  # for the hour
from typing import TYPE_CHECKING

from made.src.words import words

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

if __name__ == "__main__":
    print(*words(), time.time(), sys.argv)
'''

JOINED = '''"""Says hello.

    hello.py
"""

# Made from made/src/ by deploy/setup/join.py: edit there.

from __future__ import annotations

import sys
import time  # for the hour

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


# --- Words


MORNING = 12  # hours


# why a generator
def words() -> Iterator[str]:
    """What is said."""
    import os

    hours = [hour for hour in range(MORNING)]
    yield "good morning" if time.gmtime().tm_hour in hours else os.name


# --- The program


if __name__ == "__main__":
    print(*words(), time.time(), sys.argv)
'''


def joined(root: Path, words: str = WORDS, main: str = MAIN) -> str:
    folder = root / "made/src"
    folder.mkdir(parents=True)
    for name, text in (("__init__", START), ("words", words), ("main", main)):
        (folder / f"{name}.py").write_text(text)
    return join(PRODUCT, root)["made/hello.py"]


def test_code_and_comments_stay_and_imports_are_merged(tmp_path: Path) -> None:
    assert joined(tmp_path) == JOINED


@pytest.mark.parametrize(
    ("words", "main", "said"),
    [
        (WORDS, MAIN + "\ndef words(): ...\n", "words is defined in made.src.words, too"),
        (WORDS, MAIN + "\ntry:\n    MORNING, x = 1, 2\nexcept OSError:\n    pass\n", "MORNING is defined in"),
        (WORDS, MAIN + "\ndef time(): ...\n", "time is the name of an import, too"),
        (WORDS, MAIN.replace("import words", "import words as said"), "words cannot be imported under another name"),
        (WORDS, MAIN.replace("import words", "import nothing"), "made.src.words.nothing is not in a module before it"),
        (WORDS.replace("import time", "from made.src.main import x"), MAIN, "made.src.main.x is not in a module"),
        (WORDS, MAIN.replace("    print", "    from made.src import words\n    print"), "are imported at the top"),
        (WORDS.replace("import os", "import made.src.main"), MAIN, "are imported at the top"),
        (WORDS, MAIN.replace("import sys", "import json"), "json has to be imported where it is used"),
        (WORDS, MAIN.replace("import sys", "from re import match"), "re has to be imported where it is used"),
        (WORDS, MAIN.replace("import sys", "import sys as time"), "time is sys here and time elsewhere"),
        (WORDS, MAIN.replace('"""The program."""', ""), "no docstring to make a heading of"),
    ],
)
def test_what_would_not_mean_the_same_in_one_file_is_refused(words: str, main: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(CannotJoin, match=said):
        joined(tmp_path, words, main)


@pytest.mark.parametrize("product", PRODUCTS, ids=lambda product: product.path)
def test_the_files_are_up_to_date_and_understood_by_python_3_9(product: Product) -> None:
    texts = join(product)
    assert [*texts] == [path for path in (product.path, product.rest_path) if path]
    for path, text in texts.items():
        assert (PROJECT / path).read_text("utf-8") == text
        ast.parse(text, feature_version=(3, 9))


def test_every_module_of_a_joined_package_is_part_of_its_file() -> None:
    for product in PRODUCTS:
        folder = PROJECT / product.package.replace(".", "/")
        there = {f"{product.package}.{path.stem}" for path in folder.glob("*.py") if path.stem != "__init__"}
        assert there <= set(product.modules)


LOADER = '''"""Loads."""

def from_the_rest(name):
    def call(*args):
        if globals()[name] is call:
            exec(REST, globals())
        return globals()[name](*args)

    return call
'''

MANY = '''"""Much."""

# how many
MANY = 3


def many() -> int:
    return MANY


# why a class
@str
class Heavy:
    """Seldom used."""


# the end
'''

ASKED = '''"""The program."""

from made.src.many import MANY, Heavy, many


def asked(heavy: Heavy) -> list[int]:
    error = MANY
    return [many() for _ in range(error)]
'''


def in_two(root: Path, asked: str = ASKED, kept: tuple[str, ...] = ("MANY",)) -> tuple[str, str]:
    folder = root / "made/src"
    folder.mkdir(parents=True)
    for name, text in (("__init__", START), ("loader", LOADER), ("many", MANY), ("asked", asked)):
        (folder / f"{name}.py").write_text(text)
    modules = ("made.src.loader", "made.src.many", "made.src.asked")
    product = Product("hello.py", "made.src", modules, frozenset(), "rest.py", {modules[1]: kept}, modules[0])
    texts = join(product, root)
    return texts["hello.py"], texts["rest.py"]


def test_what_few_runs_need_is_in_a_second_file_and_loaded_by_the_first_call(tmp_path: Path) -> None:
    first, rest = in_two(tmp_path)
    assert "# --- Much\n\n\n# how many\nMANY = 3\n\n\n# --- The program" in first
    assert "# --- Much\n\n\ndef many() -> int:\n    return MANY\n\n\n# why a class\n@str\nclass Heavy:" in rest
    assert rest.endswith("\n\n\n# the end\n")
    space: dict[str, object] = {"REST": rest.replace("@str\n", "")}
    exec(first, space)
    before = space["many"]
    assert callable(space["asked"])
    assert space["asked"](None) == [3, 3, 3]
    assert space["many"] is not before
    assert "Heavy" in space


@pytest.mark.parametrize(
    ("asked", "kept", "said"),
    [
        (ASKED.replace("many()", "many"), ("MANY",), "asked:8: many of made.src.many is in the second file"),
        (
            ASKED.replace("error = MANY", "error = Heavy.x"),
            ("MANY",),
            "asked:7: Heavy of made.src.many is in the second",
        ),
        (ASKED + "\nmany()\n", ("MANY",), "asked:10: many of made.src.many is in the second file"),
        (ASKED.replace("heavy: Heavy", "heavy=Heavy()"), ("MANY",), "asked:6: Heavy of made.src.many is in the second"),
        (ASKED + "\nclass Heavier(Heavy): ...\n", ("MANY",), "asked:10: Heavy of made.src.many is in the second"),
        (ASKED, (), "asked:7: MANY of made.src.many is in the second file"),
        (ASKED, ("MANY", "FEW"), "made.src.many: there is no FEW to be kept in the first file"),
    ],
)
def test_the_first_file_may_only_call_what_is_in_the_second(
    asked: str, kept: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    with pytest.raises(CannotJoin, match=said):
        in_two(tmp_path, asked, kept)
