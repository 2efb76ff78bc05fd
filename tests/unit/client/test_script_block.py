import re
from itertools import product

import pytest

from assay.script_block import content, ignored

PEP_723 = re.compile(r"(?m)^# /// (?P<type>[a-zA-Z0-9-]+)$\s(?P<content>(^#(| .*)$\s)+)^# ///$")  # its own words


def test_a_block_is_found_where_the_standard_finds_one() -> None:
    for lines in product(("# /// script", "# ///", "# x", "#", "x = 1"), repeat=5):
        source = "\n".join(lines)
        found = PEP_723.search(source)
        there = content(source)
        assert (there is not None) == bool(found), source
        if found is not None and there is not None:
            wanted = [line[2:] for line in found["content"].splitlines()]
            assert there.split("\n") == wanted, source


def test_a_block_of_another_system_is_one() -> None:
    assert content("x = 1\r\n# /// script\r\n# dependencies = []\r\n# ///\r\n") == "dependencies = []"


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("# /// script\n# dependencies = []\n# ///\n", ""),
        ("x = '#/// script'", ""),
        ("# the script\n", ""),
        ("import x\n# /// script\n# dependencies = []\nimport y\n# ///\n", "line 2: the block of requirements"),
        ("# /// script\n#dependencies = []\n# ///\n", "line 1: the block of requirements does not end"),
        ("#/// script\n# dependencies = []\n# ///\n", "line 1: #/// script begins no block of requirements"),
        ("x = 1\n# //// script \n", "line 2: # //// script begins no block"),
    ],
)
def test_what_was_meant_to_be_a_block_and_is_none_is_told(source: str, why: str) -> None:
    assert ignored(source).startswith(why)
    assert bool(ignored(source)) == bool(why)


def test_many_blocks_that_do_not_end_are_looked_at_once() -> None:
    """The regular expression of the standard takes the square of their number: minutes for these."""
    assert content("# /// script\n" * 200_000) is None
