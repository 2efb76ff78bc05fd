from pathlib import Path

import pytest

from deploy.setup import steps
from deploy.setup.steps import Missing, Step, command, run_all


@pytest.fixture(autouse=True)
def own_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(steps, "PROJECT", tmp_path)
    monkeypatch.setattr(steps, "TOOLS", tmp_path)
    monkeypatch.setattr(steps, "LOG", tmp_path / "setup.log")
    return tmp_path / "setup.log"


def lacking(advice: str) -> str:
    raise Missing(advice)


def test_nothing_is_done_where_nothing_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_all([Step("a", lambda: False, lambda: lacking("never called"))]) == 0
    assert "nothing to do" in capsys.readouterr().out


def test_everything_that_is_missing_is_listed_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    done: list[str] = []

    def builds() -> str:
        done.append("b")
        return "b is there"

    first = Step("a", lambda: True, lambda: lacking("install a1\ninstall a2"))
    second = Step("b", lambda: True, builds)
    third = Step("c", lambda: True, lambda: lacking("install c"))
    assert run_all([first, second, third]) == 1
    said = capsys.readouterr()
    assert done == ["b"]
    assert "✓ b: b is there" in said.out
    assert [line.strip() for line in said.err.splitlines() if "install " in line and ":" not in line] == [
        "install a1",
        "install a2",
        "install c",
    ]


def test_what_stands_on_a_missing_step_is_not_tried(capsys: pytest.CaptureFixture[str]) -> None:
    ground = Step("ground", lambda: True, lambda: lacking("install ground"), others_need_it=True)
    house = Step("house", lambda: True, lambda: lacking("never called"))
    assert run_all([ground, house]) == 1
    assert "never called" not in capsys.readouterr().err


def test_a_failed_command_shows_the_end_of_its_output(own_log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def fails() -> str:
        command("sh", "-c", "echo the reason; exit 7")
        return ""

    assert run_all([Step("a", lambda: True, fails)]) == 1
    said = capsys.readouterr()
    assert "ended with 7" in said.err
    assert "    the reason" in said.err
    assert "the reason" in own_log.read_text()


def test_a_command_reads_no_input() -> None:
    command("sh", "-c", "! read line")


def test_a_program_that_is_not_there_fails_the_step(capsys: pytest.CaptureFixture[str]) -> None:
    def fails() -> str:
        command("no-such-program-at-all")
        return ""

    assert run_all([Step("a", lambda: True, fails)]) == 1
    assert "no-such-program-at-all cannot be started" in capsys.readouterr().err


def test_what_the_rest_works_without_is_told_and_set_up_is_complete(capsys: pytest.CaptureFixture[str]) -> None:
    extra = Step("extra", lambda: True, lambda: lacking("install extra"), optional=True)
    assert run_all([extra]) == 0
    said = capsys.readouterr()
    assert "install extra" in said.err
    assert "set-up is complete" in said.out
    assert run_all([extra, Step("a", lambda: True, lambda: lacking("install a"))]) == 1
