from pathlib import Path

import pytest

from deploy.setup import node, page, steps
from deploy.setup.steps import Missing


def program(path: Path, script: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n", "utf-8")
    path.chmod(0o755)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH with node and npm, on a machine that has none in .tools."""
    bin_folder = tmp_path / "bin"
    program(bin_folder / "node", "echo v22.1.0")
    program(bin_folder / "npm", "exit 0")
    monkeypatch.setenv("PATH", str(bin_folder))
    monkeypatch.setattr(node, "INSTALLED", tmp_path / "absent")
    monkeypatch.setattr(steps, "LOG", tmp_path / "setup.log")
    return bin_folder


@pytest.fixture
def web(tmp_path: Path, path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The page of a checkout in which nothing was installed or built."""
    folder = tmp_path / "web"
    (folder / "node_modules").mkdir(parents=True)
    (folder / "src" / "gen").mkdir(parents=True)
    for name in ("package.json", "package-lock.json", ".npmrc", "src/main.tsx"):
        (folder / name).write_text("{}", "utf-8")
    proto = tmp_path / "proto"
    proto.mkdir()
    (proto / "page_types.py").write_text("", "utf-8")
    monkeypatch.setattr(page, "PROJECT", tmp_path)
    monkeypatch.setattr(page, "LOG", tmp_path / "setup.log")
    monkeypatch.setattr(page, "PROTO", proto)
    for name, value in {
        "WEB": folder,
        "BUILT": folder / "dist",
        "GENERATED": folder / "src" / "gen",
        "TYPES_STAMP": folder / "src" / "gen" / ".made-of",
        "LIBRARIES_STAMP": folder / "node_modules" / ".installed",
        "BUILT_STAMP": folder / "dist" / ".built-from",
    }.items():
        monkeypatch.setattr(page, name, value)
    program(
        path / "npm", f'case "$*" in *build*) /bin/mkdir -p {folder}/dist; /bin/touch {folder}/dist/index.html;; esac'
    )
    return folder


NODES = {
    "new enough": ("echo v20.19.0", True),
    "newer": ("echo v24.0.1", True),
    "a minor version too old": ("echo v20.18.9", False),
    "a major version too old": ("echo v18.20.4", False),
    "another program of that name": ("echo node: amateur packet radio", False),
}


@pytest.mark.parametrize(("script", "taken"), NODES.values(), ids=NODES)
def test_the_node_on_path_is_taken_where_it_is_new_enough(path: Path, script: str, taken: bool) -> None:
    program(path / "node", script)
    assert node.bin_folder() == (path if taken else None)


def test_a_node_without_npm_is_not_taken(path: Path) -> None:
    (path / "npm").unlink()
    assert node.bin_folder() is None
    with pytest.raises(Missing, match="with npm on PATH"):
        node.npm()


def test_a_second_set_up_does_nothing_until_a_source_changes(web: Path) -> None:
    _, libraries, built = page.STEPS
    assert (libraries.needed(), built.needed()) == (True, True)
    libraries.do()
    (web / "src" / "gen" / ".made-of").write_text(page._types_wanted(), "utf-8")
    built.do()
    assert (libraries.needed(), built.needed()) == (False, False)

    (web / "src" / "gen" / "test_pb.ts").write_text("generated", "utf-8")
    assert not built.needed(), "what is generated is known by its sources"
    (web / "src" / "main.tsx").write_text("changed", "utf-8")
    assert (libraries.needed(), built.needed()) == (False, True)
    (web / "package-lock.json").write_text("changed", "utf-8")
    assert (libraries.needed(), built.needed()) == (True, True)


def test_libraries_of_the_checks_are_enough_to_build_and_not_the_other_way_round(web: Path) -> None:
    page._install(page.FOR_THE_BUILD)
    assert page._has_libraries(page.FOR_THE_BUILD)
    assert not page._has_libraries(page.ALL)
    page._install(page.ALL)
    assert page._has_libraries(page.FOR_THE_BUILD)
    assert page._has_libraries(page.ALL)
    (web / "package-lock.json").write_text("changed", "utf-8")
    page._install(page.FOR_THE_BUILD)
    assert page._has_libraries(page.ALL), "who runs the checks will run them again"


def test_without_a_registry_set_up_says_so_and_is_complete(
    web: Path, path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(steps, "TOOLS", tmp_path)
    program(path / "npm", "exit 1")
    assert steps.run_all(page.STEPS) == 0
    said = capsys.readouterr()
    assert "registry of npm packages" in said.err
    assert "make page" in said.err
    assert page.main() == 1
