import pytest

from services.orchestrator.ports import Phase, Sighting
from services.orchestrator.runtimes.sighting import of_ended

ENDED = {"exit_code": 0, "out_of_memory": False, "stop_asked": False, "same_boot": True, "complaint": ""}


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        pytest.param({}, Sighting(Phase.STOPPED, 0, "Exited", "exit code 0"), id="success"),
        pytest.param({"exit_code": 1}, Sighting(Phase.STOPPED, 1, "Exited", "exit code 1"), id="failure with a result"),
        pytest.param(
            {"exit_code": 137, "out_of_memory": True},
            Sighting(Phase.STOPPED, 137, "Exited", "killed by SIGKILL", out_of_memory=True),
            id="out of memory",
        ),
        pytest.param(
            {"exit_code": 143, "stop_asked": True},
            Sighting(Phase.STOPPED, 143, "Stopped", "killed by SIGTERM"),
            id="stopped",
        ),
        pytest.param(
            {"exit_code": 2, "complaint": "no such file"},
            Sighting(Phase.STOPPED, 2, "Exited", "exit code 2: no such file"),
            id="a harness that does not start",
        ),
        pytest.param(
            {"exit_code": 255}, Sighting(Phase.STOPPED, 255, "Exited", "killed by signal 127"), id="no such signal"
        ),
        pytest.param(
            {"exit_code": None, "complaint": "bwrap: Can't find source path"},
            Sighting(Phase.STOPPED, None, "SandboxFailed", "bwrap: Can't find source path"),
            id="no sandbox",
        ),
        pytest.param(
            {"exit_code": None},
            Sighting(Phase.STOPPED, None, "Killed", "killed from outside"),
            id="the sandbox was killed",
        ),
        pytest.param(
            {"exit_code": None, "stop_asked": True},
            Sighting(Phase.STOPPED, None, "Killed", "stopped while it was being started"),
            id="stopped in the making",
        ),
        pytest.param(
            {"exit_code": None, "same_boot": False},
            Sighting(Phase.MISSING, stop_reason="the machine was restarted while the task ran"),
            id="restart of the machine while it ran",
        ),
        pytest.param(
            {"same_boot": False},
            Sighting(Phase.STOPPED, 0, "Exited", "exit code 0"),
            id="restart of the machine after it ended",
        ),
    ],
)
def test_the_facts_of_an_end_mean(facts: dict[str, object], expected: Sighting) -> None:
    assert of_ended(**{**ENDED, **facts}) == expected  # type: ignore[arg-type]
