from __future__ import annotations

import os
import subprocess
from collections.abc import Callable

import pytest

from services.orchestrator.harness.src.hints import hint_for


def _raised(action: Callable[[], object]) -> BaseException:
    try:
        action()
    except BaseException as error:  # noqa: BLE001 - whatever it is is looked at
        return error
    raise AssertionError("nothing was raised")


def _missing(name: str) -> BaseException:
    return ModuleNotFoundError(f"No module named {name!r}", name=name)


def _wrapped(error: OSError) -> BaseException:
    """As clients of models raise it."""

    def call() -> None:
        try:
            raise error
        except OSError as cause:
            raise RuntimeError("Connection error.") from cause

    return _raised(call)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(113, "No route to host"), "--allow-host HOST:PORT"),
        (OSError(101, "Network is unreachable"), "--allow-host HOST:PORT"),
        (ConnectionRefusedError(111, "Connection refused"), "--allow-host 127.0.0.1:PORT"),
        (OSError("Multiple exceptions: [Errno 111] ..., [Errno 111] ..."), ""),
        (TimeoutError("timed out"), ""),
    ],
)
def test_what_a_test_does_not_reach_is_said_with_how_it_is_reached(error: OSError, words: str) -> None:
    assert words in hint_for(error)
    assert words in hint_for(_wrapped(error))
    assert bool(words) == bool(hint_for(_wrapped(error)))


def test_a_variable_that_is_not_there_is_named() -> None:
    error = _raised(lambda: os.environ["NO_SUCH_KEY"])
    assert hint_for(error) == "The environment variable NO_SUCH_KEY is not set: pass it with --env NO_SUCH_KEY."


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("Set the ANTHROPIC_API_KEY environment variable.", "ANTHROPIC_API_KEY"),
        ("Did not find api_key, please add an environment variable `GROQ_API_KEY` which contains it", "GROQ_API_KEY"),
        ("The environment variable 'HF_TOKEN' is empty", "HF_TOKEN"),
    ],
)
def test_a_variable_that_a_library_asks_for_is_named(said: str, name: str) -> None:
    assert hint_for(ValueError(said)) == f"The environment variable {name} is not set: pass it with --env {name}."


@pytest.mark.parametrize(
    "error", [KeyError("city"), {}.__getitem__, ValueError("x"), RuntimeError("no"), OSError(2, "x")]
)
def test_what_says_enough_by_itself_has_no_hint(error: object) -> None:
    raised = error if isinstance(error, BaseException) else _raised(lambda: error("city"))  # type: ignore[operator]
    assert hint_for(raised) == ""


@pytest.mark.parametrize(
    ("module", "requirement"),
    [
        ("yaml", "PyYAML"),
        ("PIL.Image", "pillow"),
        ("google.adk.agents", "google-adk"),
        ("agents", "openai-agents"),
        ("sklearn", "scikit-learn"),
    ],
)
def test_the_requirement_of_a_module_is_named(module: str, requirement: str) -> None:
    assert hint_for(_missing(module)).startswith(f"Add {requirement} to the requirements: it brings the module ")


def test_a_module_that_looks_like_ones_own_is_never_said_to_be_a_requirement() -> None:
    assert "requirements" not in hint_for(_missing("tools"))
    assert "requirements" not in hint_for(_missing("utils.text"))
    assert "--include tools.py" in hint_for(_missing("tools"))
    assert ".gitignore" in hint_for(_missing("tools"), project=True)


def test_both_are_said_of_a_module_that_nobody_knows() -> None:
    hint = hint_for(_missing("weather_lib"))
    assert hint.startswith("If weather_lib is a package, add the one that brings it to the requirements.")
    assert "--include weather_lib.py" in hint


def test_a_relative_import_in_a_single_file_wants_the_folder() -> None:
    error = ImportError("attempted relative import with no known parent package")
    assert "assay submit DIR" in hint_for(error)


def test_the_limit_of_threads_and_processes_is_named() -> None:
    assert "limit of 64 processes and threads" in hint_for(RuntimeError("can't start new thread"), max_processes=64)
    again = BlockingIOError(11, "Resource temporarily unavailable")

    def fork() -> None:
        raise again

    code = fork.__code__.replace(co_filename=subprocess.__file__)
    fork.__code__ = code
    assert "processes and threads" in hint_for(_raised(fork))
    assert hint_for(_raised(lambda: os.read(-1, 1))) == ""
