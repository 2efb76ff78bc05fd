"""Whether the sources of a script have any way by which a query could get in."""

from __future__ import annotations

import posix as os  # what is in os without what makes its import cost a millisecond
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


# Words, not texts: `input` is not in `input_data`. The programs that a script starts have its standard input, too, and
# whoever loads code by its name may load anything.
WAYS_IN = (
    *(
        "argv",
        "orig_argv",
        "argparse",
        "optparse",
        "getopt",
        "click",
        "typer",
        "fire",
        "docopt",
        "absl",
        "plac",
        "tyro",
    ),
    *(
        "cyclopts",
        "hydra",
        "jsonargparse",
        "simple_parsing",
        "defopt",
        "cleo",
        "clize",
        "cli",
        "cmd",
        "pydantic_settings",
    ),
    *("input", "stdin", "fileinput", "readline", "prompt_toolkit", "questionary", "inquirer", "InquirerPy", "textual"),
    *("Prompt", "ASSAY_QUERY", "subprocess", "system", "popen", "execv", "execve", "execvp", "execvpe", "execl", "pty"),
    *("runpy", "import_module", "__import__", "exec", "eval"),
)
ENVIRONMENT_WORDS = ("environ", "getenv", "environb", "getenvb")
ONE_VARIABLE = ("[", ".get(", ".setdefault(", ".pop(", "(")  # and a text: it is not ASSAY_QUERY, which is a way in
MOST_FILES = 2000
MOST_BYTES = 20 * 1024 * 1024


def can_be_asked(code: str, *, in_project: bool) -> bool:
    """False where neither the file nor, of a project, any module in the work folder could read the query."""
    if has_a_way_in(code):
        return True
    return in_project and any(has_a_way_in(text) for text in _modules(os.getcwd()))


def has_a_way_in(code: str) -> bool:
    if any(True for word in WAYS_IN for _ in _places(code, word)) or "open(0" in code:
        return True
    return any(not _is_of_one(code[end:]) for word in ENVIRONMENT_WORDS for end in _places(code, word))


def _places(code: str, word: str) -> Iterator[int]:
    """Where a word ends."""
    start = code.find(word)
    while start >= 0:
        end = start + len(word)
        if not (_goes_on(code[start - 1 : start]) or _goes_on(code[end : end + 1])):
            yield end
        start = code.find(word, end)


def _goes_on(letter: str) -> bool:
    return letter == "_" or letter.isalnum()


def _is_of_one(after: str) -> bool:
    """Whether one variable is asked for, by its name: `environ["API_KEY"]`."""
    return any(after.startswith((f'{begin}"', f"{begin}'")) for begin in ONE_VARIABLE)


def _modules(folder: str) -> Iterator[str]:
    """The texts of all modules; one that stands for all where they are too many to look at."""
    waiting, files, size = [folder], 0, 0
    while waiting:
        folder = waiting.pop()
        for name in os.listdir(folder):
            path = f"{folder}/{name}"
            if os.stat(path).st_mode & 0o170000 == 0o040000:
                waiting.append(path)
            elif name.endswith(".py"):
                files, size = files + 1, size + os.stat(path).st_size
                if files > MOST_FILES or size > MOST_BYTES:
                    yield WAYS_IN[0]
                    return
                with open(path, encoding="utf-8", errors="replace") as file:
                    yield file.read()
