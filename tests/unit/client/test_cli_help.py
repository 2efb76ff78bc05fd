"""What `--help` says, for every command of the tree."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import typer.main
from typer.testing import CliRunner

from assay.cli.app import app

METAVAR = re.compile(r"[A-Z0-9][A-Za-z0-9:|=.-]*")


def tree(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield path, command
    for name, below in getattr(command, "commands", {}).items():
        yield from tree(below, (*path, name))


COMMANDS = {" ".join(path): command for path, command in tree(typer.main.get_command(app))}


def test_the_tree_has_groups_and_their_commands() -> None:
    assert {"", "submit", "list", "queue", "queue capacity", "keys create"} <= set(COMMANDS)


@pytest.mark.parametrize("path", COMMANDS)
def test_every_argument_and_option_is_named_in_words_and_not_by_a_type_of_python(path: str) -> None:
    for parameter in COMMANDS[path].params:
        if parameter.param_type_name == "argument" or not parameter.is_flag:
            assert METAVAR.fullmatch(parameter.metavar or ""), f"{path} {parameter.name}: give it a metavar"


@pytest.mark.parametrize("path", [path for path in COMMANDS if path != "dev"])
def test_help_shows_these_names_alone(path: str) -> None:
    shown = CliRunner().invoke(app, [*path.split(), "--help"])
    assert shown.exit_code == 0
    assert not re.findall(r"[<>{}]", shown.output)


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("agents", "Print JSON instead."),
        ("list", "Print JSON instead; with --watch one object a line."),
        ("logs", "Print JSON instead, one object a line."),
        ("queue watch", "Print JSON instead, one object a line."),
        ("submit", "Print JSON instead; with --follow one object a line."),
    ],
)
def test_json_is_promised_as_it_comes(path: str, says: str) -> None:
    shown = CliRunner().invoke(app, [*path.split(), "--help"])
    assert re.search(rf"--json +{re.escape(says)}\n", re.sub(r"\n {10,}", " ", shown.output)), shown.output
