import os
from pathlib import Path

import pytest

from assay import project
from assay.project import BadProject, Project
from tests.unit.client.trees import grow


def sent(found: Project) -> list[str]:
    return [file.path for file in found.bundle.files]


def left_out(found: Project) -> dict[str, str]:
    return {one.path: one.why for one in found.left_out}


def test_a_folder_is_sent_with_everything_that_an_agent_has(tmp_path: Path) -> None:
    grow(
        tmp_path,
        {
            "agent.py": "from tools import shout",
            "tools/__init__.py": "",
            "prompts/system.txt": "Be brief.",
            "data/ünï.csv": "a,b",
            "requirements.txt": "httpx",
        },
    )
    found = Project.from_folder(tmp_path)
    assert sent(found) == ["agent.py", "data/ünï.csv", "prompts/system.txt", "requirements.txt", "tools/__init__.py"]
    assert (found.agent_path, found.left_out) == ("", ())


def test_programs_stay_programs(tmp_path: Path) -> None:
    grow(tmp_path, {"agent.py": "", "run.sh": "echo"})
    (tmp_path / "run.sh").chmod(0o755)
    assert {file.path: file.executable for file in Project.from_folder(tmp_path).bundle.files} == {
        "agent.py": False,
        "run.sh": True,
    }


def test_what_no_agent_needs_is_never_sent(tmp_path: Path) -> None:
    grow(
        tmp_path,
        {
            "agent.py": "",
            ".git/config": "",
            "__pycache__/agent.cpython-311.pyc": "",
            "old.pyc": "",
            "env/pyvenv.cfg": "",
            "env/lib/x.py": "",
            "venv/x.py": "",
            "node_modules/x/index.js": "",
            "pkg.egg-info/PKG-INFO": "",
            ".idea/x.xml": "",
            ".assay/client.json": "",
            ".env": "KEY=secret",
            ".env.local": "KEY=secret",
            "sub/.envrc": "export KEY=secret",
            "production.env": "KEY=secret",
            ".netrc": "password",
        },
    )
    found = Project.from_folder(tmp_path)
    assert sent(found) == ["agent.py"]
    assert left_out(found)["env/"] == "a virtual environment"
    assert "--env-file" in left_out(found)[".env"]
    assert {".git/", "venv/", ".env.local", "sub/.envrc", ".netrc"} <= set(left_out(found))


def test_assayignore_has_the_last_word_in_its_folder(tmp_path: Path) -> None:
    grow(
        tmp_path,
        {".gitignore": "data/\n", ".assayignore": "!data/\ntests/\n", "data/x.csv": "", "tests/t.py": "", "a.py": ""},
    )
    found = Project.from_folder(tmp_path)
    assert sent(found) == ["a.py", "data/x.csv"]
    assert left_out(found)["tests/"] == ".gitignore and .assayignore"


def test_the_repository_around_a_folder_has_a_say(tmp_path: Path) -> None:
    grow(tmp_path, {".git/info/exclude": "mine.txt\n", ".gitignore": "*.log\n", "agents/.gitignore": "big/\n"})
    folder = grow(tmp_path / "agents" / "one", {"agent.py": "", "x.log": "", "big/x": "", "mine.txt": ""})
    assert sent(Project.from_folder(folder)) == ["agent.py"]


def test_a_folder_that_was_named_is_sent_although_the_repository_ignores_it(tmp_path: Path) -> None:
    grow(tmp_path, {".git/HEAD": "", ".gitignore": "scratch/\n", "scratch/.gitignore": "*.log\n"})
    folder = grow(tmp_path / "scratch" / "one", {"agent.py": "", "x.log": ""})
    assert sent(Project.from_folder(folder)) == ["agent.py"]


def test_links_inside_are_followed_and_others_are_not(tmp_path: Path) -> None:
    folder = grow(tmp_path / "p", {"agent.py": "", "shared/lib.py": "x = 1", ".env": "KEY=secret"})
    grow(tmp_path, {"outside.txt": "secret"})
    links = {
        "lib.py": "shared/lib.py",
        "also": "shared",
        "out.txt": "../outside.txt",
        "gone": "nowhere",
        "config": ".env",
        "shared/up": "..",
        "etc": "/etc",
    }
    for name, target in links.items():
        (folder / name).symlink_to(target)
    found = Project.from_folder(folder)
    assert sent(found) == ["agent.py", "also/lib.py", "lib.py", "shared/lib.py"]
    assert all(file.data != b"KEY=secret" for file in found.bundle.files)
    why = left_out(found)
    assert why["out.txt"] == why["etc/"] == "a link out of the project"
    assert why["gone"] == "a link to something that is not there"
    assert why["config"].startswith("a link to something that is not sent")
    assert why["shared/up/"] == "a link that leads back to a folder around it"


def test_what_is_no_file_is_left_out(tmp_path: Path) -> None:
    grow(tmp_path, {"agent.py": ""})
    os.mkfifo(tmp_path / "pipe")
    assert left_out(Project.from_folder(tmp_path)) == {"pipe": "neither a file nor a folder"}


def test_a_name_that_is_no_text_is_left_out(tmp_path: Path) -> None:
    grow(tmp_path, {"agent.py": ""})
    (tmp_path / os.fsdecode(b"caf\xe9.txt")).write_bytes(b"")
    assert left_out(Project.from_folder(tmp_path)) == {"caf?.txt": "its name is not UTF-8"}


def test_a_walk_ends_where_a_folder_is_no_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    grow(tmp_path, {f"{number % 2}/{number}.txt": "x" * number for number in range(20)})
    monkeypatch.setattr(project, "MOST_ENTRIES", 10)
    with pytest.raises(BadProject, match="hardly one agent's project"):
        Project.from_folder(tmp_path)
    monkeypatch.undo()
    monkeypatch.setattr(project, "MOST_FILES", 10)
    with pytest.raises(BadProject, match=r"more than 10 files: .*\(so far: 0/ 10\)"):
        Project.from_folder(tmp_path)
    monkeypatch.undo()
    monkeypatch.setattr(project, "MOST_BYTES", 15)
    with pytest.raises(BadProject, match=r"--file \(largest so far"):
        Project.from_folder(tmp_path)


def test_a_folder_without_files_is_told_with_what_was_left_out(tmp_path: Path) -> None:
    grow(tmp_path, {".gitignore": "*", "agent.py": ""})
    with pytest.raises(BadProject, match=r"has no files to send \(left out: .*agent\.py"):
        Project.from_folder(tmp_path)


def test_the_agents_file_must_be_among_them(tmp_path: Path) -> None:
    grow(tmp_path, {".gitignore": "x.py", "x.py": "", "agent.py": ""})
    with pytest.raises(BadProject, match=r"x\.py is not among the files to send: left out by \.gitignore"):
        Project.from_folder(tmp_path, "x.py")
    assert Project.from_folder(tmp_path, "agent.py").agent_path == "agent.py"


@pytest.mark.parametrize(
    ("folder", "files", "wrapped", "agent"),
    [
        pytest.param(
            "my_agent",
            {"__init__.py": "", "agent.py": "from .tools import x", "tools.py": ""},
            ["my_agent/__init__.py", "my_agent/agent.py", "my_agent/tools.py"],
            "my_agent/agent.py",
            id="by dots",
        ),
        pytest.param(
            "my_agent",
            {"__init__.py": "", "main.py": "from my_agent.tools import x", "tools.py": ""},
            ["my_agent/__init__.py", "my_agent/main.py", "my_agent/tools.py"],
            "my_agent/main.py",
            id="by its name",
        ),
        pytest.param(
            "my_agent",
            {"__init__.py": "", "agent.py": "from tools import x", "tools.py": ""},
            ["__init__.py", "agent.py", "tools.py"],
            "",
            id="a package that is not used as one",
        ),
        pytest.param(
            "langgraph",
            {"agent.py": "from langgraph.graph import StateGraph", "graph.py": ""},
            ["agent.py", "graph.py"],
            "",
            id="called as a library",
        ),
        pytest.param(
            "langgraph",
            {"__init__.py": "", "agent.py": "import langgraph.pregel\nfrom .tools import x", "tools.py": ""},
            ["langgraph_project/__init__.py", "langgraph_project/agent.py", "langgraph_project/tools.py"],
            "langgraph_project/agent.py",
            id="a package called as a library",
        ),
        pytest.param(
            "7 tries",
            {"agent.py": "from .tools import x", "tools.py": "", "pyproject.toml": ""},
            [
                "_7_tries_project/agent.py",
                "_7_tries_project/pyproject.toml",
                "_7_tries_project/tools.py",
                "pyproject.toml",
            ],
            "_7_tries_project/agent.py",
            id="no identifier",
        ),
        pytest.param(
            "bot",
            {
                "__init__.py": "",
                "agent.py": "try:\n    from .tools import x\nexcept ImportError:\n    from tools import x",
                "tools.py": "import helpers",
                "helpers.py": "",
            },
            ["__init__.py", "agent.py", "helpers.py", "tools.py"],
            "",
            id="dots or not",
        ),
        pytest.param(
            "bot",
            {
                "__init__.py": "",
                "agent.py": "import tools",
                "tools.py": "",
                "tests/test_agent.py": "from ..agent import x",
            },
            ["__init__.py", "agent.py", "tests/test_agent.py", "tools.py"],
            "",
            id="dots in tests",
        ),
        pytest.param(
            "bot",
            {"agent.py": "import tools", "tools.py": "", "more.py": "from .tools import x"},
            ["agent.py", "more.py", "tools.py"],
            "",
            id="dots in what the agent does not use",
        ),
        pytest.param(
            "bot",
            {"main.py": "import yaml\nfrom core import x", "core/__init__.py": "from ..tools import x", "tools.py": ""},
            ["core/__init__.py", "main.py", "tools.py"],
            "",
            id="the agent by its plain name",
        ),
        pytest.param(
            "p",
            {"src/app/__init__.py": "", "src/app/main.py": "from .tools import x\nfrom ..other import y"},
            ["src/app/__init__.py", "src/app/main.py"],
            "",
            id="dots that stay inside",
        ),
    ],
)
def test_a_folder_that_is_itself_a_package_is_sent_as_one(
    tmp_path: Path, folder: str, files: dict[str, str], wrapped: list[str], agent: str
) -> None:
    found = Project.from_folder(grow(tmp_path / folder, files))
    assert (sent(found), found.agent_path) == (wrapped, agent)


@pytest.mark.parametrize(
    ("entrypoint", "wrapped", "agent"),
    [
        ("my_agent.agent:root_agent", ["my_agent/agent.py"], ""),
        ("agent:root_agent", ["agent.py"], ""),
        ("my_agent_2.agent:x", ["agent.py"], ""),
    ],
)
def test_an_entry_point_by_the_name_of_the_folder_makes_it_a_package(
    tmp_path: Path, entrypoint: str, wrapped: list[str], agent: str
) -> None:
    found = Project.from_folder(grow(tmp_path / "my_agent", {"agent.py": "root_agent = 1"}), entrypoint=entrypoint)
    assert (sent(found), found.agent_path) == (wrapped, agent)


def test_files_beside_an_agent_go_with_it_and_no_others(tmp_path: Path) -> None:
    """Case 51."""
    grow(tmp_path, {"agent.py": "", "tools.py": "", "prompts/system.txt": "", "prompts/x.pyc": "", "other.py": ""})
    found = Project.from_files(tmp_path / "agent.py", ["tools.py", "prompts"])
    assert sent(found) == ["agent.py", "prompts/system.txt", "tools.py"]
    assert found.agent_path == "agent.py"


def test_a_file_above_the_agent_moves_the_top_up(tmp_path: Path) -> None:
    grow(tmp_path, {"app/agent.py": "", "lib/x.py": ""})
    found = Project.from_files(tmp_path / "app" / "agent.py", ["../lib"])
    assert (sent(found), found.agent_path) == (["app/agent.py", "lib/x.py"], "app/agent.py")


def test_what_is_named_goes_along_although_it_is_ignored(tmp_path: Path) -> None:
    grow(tmp_path, {".gitignore": "data/\n*.csv\n", "agent.py": "", "data/a.csv": "", "data/b.txt": "", "x.csv": ""})
    assert sent(Project.from_files(tmp_path / "agent.py", ["data", "x.csv"])) == [
        "agent.py",
        "data/a.csv",
        "data/b.txt",
        "x.csv",
    ]
    assert sent(Project.from_folder(tmp_path, include=["data"])) == ["agent.py", "data/a.csv", "data/b.txt"]


def test_a_file_of_secrets_is_not_sent_even_if_named(tmp_path: Path) -> None:
    grow(tmp_path, {"agent.py": "", ".env": "KEY=secret"})
    with pytest.raises(BadProject, match="--env-file"):
        Project.from_files(tmp_path / "agent.py", [".env"])


def test_a_file_that_may_have_secrets_is_sent_if_named(tmp_path: Path) -> None:
    grow(tmp_path, {"agent.py": "", "settings.env": "COLOUR=blue"})
    assert sent(Project.from_folder(tmp_path)) == ["agent.py"]
    assert sent(Project.from_folder(tmp_path, include=["settings.env"])) == ["agent.py", "settings.env"]


def test_what_is_named_and_missing_is_told(tmp_path: Path) -> None:
    grow(tmp_path, {"agent.py": ""})
    with pytest.raises(BadProject, match=r"tools\.py: there is no such file"):
        Project.from_files(tmp_path / "agent.py", ["tools.py"])


def test_a_link_leads_to_nothing_that_is_ignored(tmp_path: Path) -> None:
    files = {"agent.py": "", "private/k": "secret", "open/x": "", "open/k": "secret", "deep/s/k": "secret"}
    grow(tmp_path, {**files, ".gitignore": "private/\n/open/k\n", "deep/.gitignore": "s\n"})
    for name, target in {
        "pub": "private",
        "key": "private/k",
        "again": "open",
        "s2": "deep/s",
        "k2": "deep/s/k",
    }.items():
        (tmp_path / name).symlink_to(target)
    found = Project.from_folder(tmp_path)
    assert sent(found) == ["again/x", "agent.py", "open/x"]
    assert left_out(found)["pub/"] == left_out(found)["key"] == "a link to something that is not sent (.gitignore)"
    assert left_out(found)["again/k"] == ".gitignore"
    with_it = Project.from_folder(tmp_path, include=["private"])
    assert {"key", "pub/k", "private/k"} <= set(sent(with_it))
    assert "again/k" not in sent(with_it)


def test_a_link_in_a_folder_that_was_named_may_lead_to_its_files(tmp_path: Path) -> None:
    grow(tmp_path, {"agent.py": "", ".gitignore": "data/\nother/\n", "data/a": "", "other/k": "secret"})
    (tmp_path / "data" / "b").symlink_to("a")
    (tmp_path / "data" / "c").symlink_to("../other/k")
    assert sent(Project.from_files(tmp_path / "agent.py", ["data"])) == ["agent.py", "data/a", "data/b"]


def test_what_could_be_two_paths_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    grow(tmp_path, {"bot/agent.py": "", "bot/tools.py": "theirs", "tools.py": "mine", "bot/only.py": "", "here.py": ""})
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadProject, match=r"tools\.py could be .*/tools\.py or .*/bot/tools\.py: write the whole path"):
        Project.from_files("bot/agent.py", ["tools.py"])
    with pytest.raises(BadProject, match=r"\.\. could be"):
        Project.from_files("bot/agent.py", [".."])
    assert sent(Project.from_files("bot/agent.py", [tmp_path / "bot" / "tools.py"])) == ["agent.py", "tools.py"]
    assert sent(Project.from_files("bot/agent.py", ["only.py", "here.py"])) == [
        "bot/agent.py",
        "bot/only.py",
        "here.py",
    ]
    assert "tools.py" in sent(Project.from_folder("bot", include=["tools.py"]))
    with pytest.raises(BadProject, match=r"here\.py: there is no such file or folder in"):
        Project.from_folder("bot", include=["here.py"])
    with pytest.raises(BadProject, match="is not in"):
        Project.from_folder("bot", include=[tmp_path / "here.py"])
