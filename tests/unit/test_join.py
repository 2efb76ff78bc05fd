"""Modules joined into one file that stands alone."""

import ast
from pathlib import Path

import pytest

from deploy.setup.join import PRODUCTS, CannotJoin, Product, join
from deploy.setup.steps import PROJECT

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
    return join(PRODUCT, root)


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
    text = (PROJECT / product.path).read_text("utf-8")
    assert text == join(product)
    ast.parse(text, feature_version=(3, 9))


def test_every_module_of_a_joined_package_is_part_of_its_file() -> None:
    for product in PRODUCTS:
        folder = PROJECT / product.package.replace(".", "/")
        there = {f"{product.package}.{path.stem}" for path in folder.glob("*.py") if path.stem != "__init__"}
        assert there <= set(product.modules)
