"""What is said when an agent wants to start a program that is not there."""

from __future__ import annotations

import asyncio
import subprocess

import pytest

from services.orchestrator.harness.src.hints import hint_for


def failing(*command: str, **options: object) -> BaseException:
    with pytest.raises(OSError) as raised:  # noqa: PT011 - whichever it is
        subprocess.run(command, check=False, env={"PATH": "/nowhere"}, **options)  # type: ignore[call-overload]
    return raised.value


@pytest.mark.parametrize(
    ("program", "hint"),
    [
        ("git", "--system git."),
        ("node", "--system nodejs."),
        ("my-tool", "--system my-tool."),
        ("uvx", "add uv to the requirements"),
    ],
)
def test_the_package_that_brings_it_is_named(program: str, hint: str) -> None:
    said = hint_for(failing(program, "--version"))
    assert f"There is no program {program}" in said
    assert hint in said


async def test_so_it_is_for_a_program_that_asyncio_starts() -> None:
    with pytest.raises(FileNotFoundError) as raised:
        await asyncio.create_subprocess_exec("npx", "x", env={"PATH": "/nowhere"})
    assert "--system npm." in hint_for(raised.value)


def test_a_file_that_is_not_there_is_no_program() -> None:
    with pytest.raises(FileNotFoundError) as raised:
        open("git")  # noqa: PTH123, SIM115 - it does not open
    assert hint_for(raised.value) == ""
    assert hint_for(failing("/opt/bin/tool")) == ""
    assert hint_for(failing("ls", cwd="/nowhere")) == ""
