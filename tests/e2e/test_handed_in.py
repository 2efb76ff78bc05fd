"""Projects and files as people have them, through the command and the sandbox."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.local_mode import Command
from tests.unit.client.trees import grow

pytestmark = pytest.mark.slow


def response(assay: Command, *words: str | Path) -> Any:
    """The answer of a test that passed."""
    ran = assay("submit", *words, "--follow", "--json")
    end = ran.objects[-1]
    assert (ran.code, end["event"]) == (0, "ended"), ran.out + ran.err
    return end["test"]["result"]["response"]


CASE_51 = {
    "agent.py": "from pathlib import Path\nfrom tools import shout\n"
    'PROMPT = (Path(__file__).parent / "prompts" / "system.txt").read_text()\n'
    "def run(query):\n    return PROMPT + shout(query)\n",
    "tools.py": 'def shout(text):\n    return text.upper() + "!"\n',
    "prompts/system.txt": "Be loud: ",
}
SHAPES: dict[str, tuple[dict[str, str], list[str]]] = {
    "plain": (CASE_51, []),
    "package_by_dots": (
        {
            "__init__.py": "",
            "agent.py": "from .tools import shout\ndef run(query):\n    return 'Be loud: ' + shout(query)\n",
            "tools.py": CASE_51["tools.py"],
        },
        [],
    ),
    "package_by_name": (
        {
            "__init__.py": "",
            "agent.py": "from package_by_name.tools import shout\n"
            "def answer(query):\n    return 'Be loud: ' + shout(query)\n",
            "tools.py": CASE_51["tools.py"],
        },
        ["-e", "package_by_name.agent:answer"],
    ),
    "src_layout": (
        {
            "pyproject.toml": '[project]\nname = "app"\nversion = "1"\ndependencies = []\n',
            "src/app/__init__.py": "",
            "src/app/main.py": "from app.tools import shout\nfrom .tools import shout as same\n"
            "def run(query):\n    assert same is shout\n    return 'Be loud: ' + shout(query)\n",
            "src/app/tools.py": CASE_51["tools.py"],
        },
        [],
    ),
    "python_m": (
        {
            "bot/__init__.py": "",
            "bot/__main__.py": "import sys\nfrom .tools import shout\nprint('Be loud:', shout(sys.argv[1]))\n",
            "bot/tools.py": CASE_51["tools.py"],
        },
        ["-e", "__main__"],
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_project_of_any_layout_runs_as_its_author_wrote_it(assay: Command, tmp_path: Path, shape: str) -> None:
    files, options = SHAPES[shape]
    folder = grow(tmp_path / shape, files)
    assert response(assay, folder, *options, "-q", "hello") == "Be loud: HELLO!"


def test_the_command_that_the_refusal_proposes_works(assay: Command) -> None:
    """Case 51."""
    grow(assay.folder / "case_51", CASE_51)
    refused = assay("submit", "case_51/agent.py", "-q", "hello", "--follow", "--json")
    assert refused.code == 2
    assert "tools (line 2), which lies beside it" in refused.err
    assert "assay submit case_51/agent.py --include tools.py --include prompts -q hello" in refused.err
    words = ["case_51/agent.py", "--include", "tools.py", "--include", "prompts", "-q", "hello"]
    assert response(assay, *words) == "Be loud: HELLO!"


def test_a_large_project_is_uploaded_and_runs_again_from_what_is_there(assay: Command, tmp_path: Path) -> None:
    code = "from pathlib import Path\ndef run(query):\n    return len(Path('noise.bin').read_bytes())\n"
    folder = grow(tmp_path / "large", {"agent.py": code})
    (folder / "noise.bin").write_bytes(bytes(hash((number, "x")) & 0xFF for number in range(2_000_000)))
    assert response(assay, folder, "-q", "x") == 2_000_000
    assert response(assay, folder, "-q", "y") == 2_000_000


def test_requirement_files_are_taken_as_they_are(assay: Command, tmp_path: Path) -> None:
    """Cases 30 and 31."""
    pinned = (
        b"\xef\xbb\xbfidna==3.7 \\\r\n"
        b"    --hash=sha256:82fee1fc78add43492d3a1898bfa6d8a904cc97d8427f683ed8e798d07761aa0\r\n    # via -r in.txt\r\n"
    )
    code = "import importlib.metadata as m\ndef run(query):\n    return m.version('idna')\n"
    folder = grow(tmp_path, {"agent.py": code, "requirements.txt": pinned})
    assert response(assay, folder / "agent.py", "-r", folder / "requirements.txt", "-q", "x") == "3.7"


def test_a_source_is_taken_as_python_takes_it(assay: Command, tmp_path: Path) -> None:
    """Case 36, and a declared encoding."""
    marked = b'\xef\xbb\xbfdef run(query):\r\n    return """a\r\nb""" + query\r\n'
    declared = "# -*- coding: latin-1 -*-\ndef run(query):\n    return 'grüß ' + query\n".encode("latin-1")
    grow(tmp_path, {"marked.py": marked, "declared.py": declared, "folder/agent.py": declared})
    assert response(assay, tmp_path / "marked.py", "-q", "x") == "a\nbx"
    assert response(assay, tmp_path / "declared.py", "-q", "x") == "grüß x"
    assert response(assay, tmp_path / "folder", "-q", "x") == "grüß x"


def test_a_dry_run_finds_that_there_is_nothing_to_call(assay: Command, tmp_path: Path) -> None:
    """Case 57."""
    grow(tmp_path, {"agent.py": 'if __name__ == "__main__":\n    print("You asked")\n'})
    ran = assay("submit", tmp_path / "agent.py", "-q", "x", "--dry-run")
    assert ran.code == 2
    assert "invalid: the test would fail" in ran.out
    assert "-e __main__" in ran.out


def test_secrets_of_an_env_file_arrive_and_the_file_does_not(assay: Command, tmp_path: Path) -> None:
    code = "import os\ndef run(query):\n    return [os.environ.get('KEY'), os.path.exists('.env')]\n"
    folder = grow(tmp_path / "bot", {"agent.py": code, ".env": 'export KEY="a b"  # secret\n'})
    assert response(assay, folder, "-q", "x") == [None, False]
    assert response(assay, folder, "-q", "x", "--env-file", folder / ".env") == ["a b", False]


def test_a_retry_has_the_same_files(assay: Command, tmp_path: Path) -> None:
    code = "def run(query):\n    from tools import shout\n    return shout(query) + open('/work/in/a.txt').read()\n"
    folder = grow(tmp_path / "bot", {"agent.py": code, "tools.py": CASE_51["tools.py"]})
    grow(tmp_path, {"a.txt": "input"})
    assert response(assay, folder, "--file", tmp_path / "a.txt", "-q", "one") == "ONE!input"
    ran = assay("retry", "last", "-q", "two", "--follow", "--json")
    assert ran.objects[-1]["test"]["result"]["response"] == "TWO!input"
