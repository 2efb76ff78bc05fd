"""Which frames of a traceback are ours."""

from __future__ import annotations


def is_our_file(name: object) -> bool:
    """Whether code of this file name is the harness, or the server of a package."""
    return name in OUR_FILES


# As compiled, wherever the files lie now: this one, and the one with what most tests do not need (see rest.py).
OUR_FILES = (is_our_file.__code__.co_filename, f"{is_our_file.__code__.co_filename[:-3]}_rest.py")
