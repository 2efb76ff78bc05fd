from pathlib import Path

import pytest

from assay.neighbours import Needs, needs
from tests.unit.client.trees import grow


def looked_at(folder: Path, requirements: tuple[str, ...] = ()) -> Needs:
    agent = folder / "agent.py"
    return needs(agent, agent.read_text("utf-8"), requirements)


def names(folder: Path, paths: tuple[Path, ...]) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in paths]


CASE_51 = """\
from pathlib import Path

from tools import shout

PROMPT = (Path(__file__).parent / "prompts" / "system.txt").read_text()
"""


def test_a_file_misses_what_lies_beside_it(tmp_path: Path) -> None:
    """Case 51."""
    grow(tmp_path, {"agent.py": CASE_51, "tools.py": "", "prompts/system.txt": "", "other.py": ""})
    found = looked_at(tmp_path)
    assert [(need.module, need.line) for need in found.modules] == [("tools", 3)]
    assert names(tmp_path, found.files) == ["tools.py"]
    assert names(tmp_path, found.data) == ["prompts"]


@pytest.mark.parametrize(
    ("code", "there", "wanted"),
    [
        ("import tools", ["tools/__init__.py"], ["tools"]),
        ("import tools.deep.x", ["tools/deep/x.py", "tools/y.py"], ["tools"]),
        ("from . import tools", ["tools.py"], ["tools.py"]),
        ("from .tools import x", ["tools.py"], ["tools.py"]),
        ("def run(q):\n    from tools import x", ["tools.py"], ["tools.py"]),
        ("import tools", ["tools.py", "helpers.py", "more.py"], ["tools.py", "helpers.py"]),
        ("from tools import x", ["tools/data.txt"], []),
        ("import json", ["json.py"], []),
        ("import yaml", ["other.py"], []),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import tools", ["tools.py"], []),
        ("this is no Python", ["this.py"], []),
    ],
)
def test_imports_are_followed_to_files(tmp_path: Path, code: str, there: list[str], wanted: list[str]) -> None:
    grow(tmp_path, {**dict.fromkeys(there, ""), "agent.py": code})
    if "helpers.py" in there:
        grow(tmp_path, {"tools.py": "import helpers"})
    assert names(tmp_path, looked_at(tmp_path).files) == wanted


def test_what_is_installed_is_not_taken_for_a_folder_of_that_name(tmp_path: Path) -> None:
    grow(tmp_path, {"agent.py": "import my_lib", "my_lib/__init__.py": ""})
    assert looked_at(tmp_path, ("My.Lib[x]>=1 ; python_version > '3'",)) == Needs()
    assert looked_at(tmp_path, ("other",)).modules
    block = "# /// script\n# dependencies = [\n#   'my-lib>=1',\n# ]\n# ///\n"
    grow(tmp_path, {"agent.py": f"{block}import my_lib"})
    assert looked_at(tmp_path) == Needs()
    grow(tmp_path, {"agent.py": f"{block.replace('[', '][')}import my_lib"})
    assert looked_at(tmp_path).modules


def test_what_lies_above_is_found_by_dots(tmp_path: Path) -> None:
    grow(tmp_path, {"app/agent.py": "from ..lib import x", "lib.py": ""})
    found = looked_at(tmp_path / "app")
    assert (names(tmp_path, found.files), found.above) == (["lib.py"], True)


def test_what_lies_around_is_found_by_the_name_of_the_package(tmp_path: Path) -> None:
    grow(tmp_path, {"src/app/main.py": "from app.tools import x\nimport app.deep", "src/app/tools.py": ""})
    grow(tmp_path, {"src/app/deep/x.py": ""})
    file = tmp_path / "src" / "app" / "main.py"
    found = needs(file, file.read_text("utf-8"))
    assert [(need.module, need.path) for need in found.modules] == [
        ("app.tools", tmp_path / "src" / "app"),
        ("app.deep", tmp_path / "src" / "app"),
    ]
    assert found.above
    assert needs(file, "import app.other\nfrom app import other") == Needs()


@pytest.mark.parametrize(
    ("code", "wanted"),
    [
        ('open("data/x.csv")', ["data"]),
        ('open("./data/x.csv")', ["data"]),
        ('pathlib.Path("config.yaml").read_text()', ["config.yaml"]),
        ('os.path.join(os.path.dirname(__file__), "data", "x.csv")', ["data"]),
        ('open("elsewhere.txt")', []),
        ('open("/etc/passwd")', []),
        ('open("../up.txt")', []),
        ('open(".env")', []),
        ('print("data")', []),
        ('open("a\\0b")', []),
    ],
)
def test_files_that_the_code_opens_are_noticed(tmp_path: Path, code: str, wanted: list[str]) -> None:
    grow(tmp_path, {"agent.py": code, "data/x.csv": "", "config.yaml": "", ".env": "", "../up.txt": ""})
    found = looked_at(tmp_path)
    assert (names(tmp_path, found.data), found.modules) == (wanted, ())


def test_a_large_package_is_looked_into_to_a_bound(tmp_path: Path) -> None:
    grow(tmp_path, {"agent.py": "import lib", "lib/__init__.py": "import first", "first.py": "", "last.py": ""})
    grow(tmp_path / "lib", {f"{number:03}/x.py": "" for number in range(250)})
    grow(tmp_path / "lib", {"249/x.py": "import last", "node_modules/x.py": "import last"})
    assert names(tmp_path, looked_at(tmp_path).files) == ["lib", "first.py"]
