import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assay.project import BadProject, Project
from tests.unit.client.trees import grow

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="there is no git to compare with")

TREES = {
    "names and folders": (
        {".gitignore": "*.log\nbuild/\n/top.txt\n"},
        "a.log s/b.log build/x top.txt s/top.txt",
    ),
    "taken back": ({".gitignore": "*.txt\n!keep.txt\n"}, "a.txt keep.txt sub/keep.txt sub/b.txt"),
    "nested": ({".gitignore": "*.txt\n", "sub/.gitignore": "!b.txt\n*.md\n"}, "a.txt sub/b.txt sub/c.md d.md"),
    "everything but": ({".gitignore": "*\n!*/\n!*.py\n"}, "a.py b.txt sub/c.py sub/d.txt"),
    "a folder that is out stays out": ({".gitignore": "data/\n!data/keep.txt\n"}, "data/keep.txt a"),
    "contents of a folder": ({".gitignore": "data/*\n!data/keep.txt\n"}, "data/keep.txt data/x a"),
    "a folder taken back": ({".gitignore": "*.txt\n!keep\n"}, "keep/a.txt keep/b a.txt"),
    "stars": ({".gitignore": "docs/**/*.pdf\n**/tmp\nz/**\n"}, "docs/a/b/x.pdf docs/y.pdf x.pdf q/tmp/z z/a z/b/c"),
    "comments and blanks": ({".gitignore": "# a.txt\n\n\\#b.txt\nd.txt  \n!\n"}, "a.txt #b.txt d.txt"),
    "classes": ({".gitignore": "[ab]?.tx[!t]\n[[:digit:]]\n[]x]q\n"}, "a1.txx b2.txt c1.txx 7 xq ]q"),
    "brackets that do not close": ({".gitignore": "[ab\n\\\n"}, "a [ab b"),
    "of an inner folder": ({"x/.gitignore": "/only\nall\n"}, "x/only x/y/only x/y/all all"),
    "CRLF": ({".gitignore": "a.txt\r\nb/\r\n"}, "a.txt b/c d"),
    "a byte order mark": ({".gitignore": "\ufeffa.txt\n"}, "a.txt b.txt"),
}


class Git:
    """What git would add of a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1"}
        subprocess.run(["git", "init", "-q", str(folder)], check=True, env=self.environment)

    def untracked(self) -> list[str]:
        asked = ["git", "-C", str(self.folder), "ls-files", "--others", "--exclude-standard", "-z"]
        listed = subprocess.run(asked, check=True, env=self.environment, capture_output=True).stdout.decode()
        return sorted(path for path in listed.split("\0") if path and not path.endswith(".gitignore"))


def sent(folder: Path) -> list[str]:
    try:
        return [file.path for file in Project.from_folder(folder).bundle.files]
    except BadProject:  # there is none to send
        return []


@needs_git
@pytest.mark.parametrize("name", TREES)
def test_ignore_files_mean_what_they_mean_to_git(tmp_path: Path, name: str) -> None:
    rules, files = TREES[name]
    git = Git(grow(tmp_path, {**rules, **dict.fromkeys(files.split(), "")}))
    assert sent(tmp_path) == git.untracked()


@pytest.fixture(scope="module")
def git(tmp_path_factory: pytest.TempPathFactory) -> Git:
    files = ["a", "b", "c/a", "c/b", "c/d/a", "c/d/b", "d/a", "d/c/a", "ab", "a.b", "c/a.b", " a", "]"]
    return Git(grow(tmp_path_factory.mktemp("any"), dict.fromkeys(files, "")))


pattern = st.lists(
    st.sampled_from(["a", "b", "c", "d", "*", "**", "/", "?", "[ab]", "[!a]", "\\a", ".", " ", "!", "#", "]", "[a-c]"]),
    min_size=1,
    max_size=5,
).map("".join)


@needs_git
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(outer=st.lists(pattern, max_size=4), inner=st.lists(pattern, max_size=3))
def test_any_patterns_mean_what_they_mean_to_git(git: Git, outer: list[str], inner: list[str]) -> None:
    grow(git.folder, {".gitignore": "\n".join(outer), "c/.gitignore": "\n".join(inner)})
    assert sent(git.folder) == git.untracked()
