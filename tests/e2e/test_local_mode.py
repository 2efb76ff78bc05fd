"""`assay dev` as its user meets it: a process that starts everything, says where, and leaves nothing behind."""

import json
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local import lifeline
from tests.support.local_mode import Command, LocalMode


@pytest.fixture
def local(tmp_path: Path) -> Iterator[LocalMode]:
    running = LocalMode(tmp_path / "data")
    try:
        running.until_ready()
        yield running
    finally:
        running.end(signal.SIGKILL)


def gone(pids: list[int]) -> bool:
    deadline = time.monotonic() + 20
    while any(lifeline.started_at(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not any(lifeline.started_at(pid) for pid in pids)


def answers(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=2).close()
    except OSError:
        return False
    return True


def test_it_says_where_it_is_lets_its_user_in_and_stops_in_order(local: LocalMode) -> None:
    known = json.loads((local.folder / "client.json").read_text())
    assert answers(known["address"])
    assert known["api_key"] == (local.folder / "api-key").read_text().strip()
    assert stat.S_IMODE((local.folder / "client.json").stat().st_mode) == 0o600
    assert known["address"] in local.said
    secrets = json.loads((local.folder / "credentials.json").read_text()).values()
    assert not [secret for secret in secrets if secret in local.said]
    health = json.loads((local.folder / "ports.json").read_text())["health"]
    with urllib.request.urlopen(f"http://127.0.0.1:{health}/readyz", timeout=5) as ready:
        assert set(json.load(ready)) == {"gateway", "scheduler", "orchestrator", "logstreamer", "packager"}

    children = local.children()
    assert len(children) == 2
    assert local.end(signal.SIGTERM) == 0
    assert not any(lifeline.started_at(pid) for pid in children)
    assert not (local.folder / "client.json").exists()
    assert "Stopped." in local.said


def test_a_second_start_is_refused_and_stop_ends_the_first(local: LocalMode) -> None:
    command = [sys.executable, "-m", "deploy.local", "--data", str(local.folder)]
    second = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    assert second.returncode == 1
    assert f"already runs here (pid {local.process.pid}, serving 127.0.0.1:" in second.stderr
    assert local.process.poll() is None

    stopped = subprocess.run([*command, "--stop"], capture_output=True, text=True, check=False)
    assert (stopped.returncode, stopped.stdout) == (0, "assay dev: stopped.\n")
    assert local.process.wait(10) == 0
    again = subprocess.run([*command, "--stop"], capture_output=True, text=True, check=False)
    assert (again.returncode, again.stdout) == (0, "assay dev: nothing runs here.\n")


def test_after_a_kill_nothing_is_left_running_and_the_next_start_has_the_same_address(local: LocalMode) -> None:
    before, children = json.loads((local.folder / "client.json").read_text()), local.children()
    local.end(signal.SIGKILL)
    after = LocalMode(local.folder)
    try:
        assert after.until_ready() == before
        assert gone(children)
        assert len(after.children()) == 2
    finally:
        after.end(signal.SIGKILL)


def test_a_port_that_was_asked_for_and_is_taken_is_an_error_and_not_another_port(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        refused = LocalMode(tmp_path / "data", "--port", str(taken.getsockname()[1]))
        assert refused.process.wait(30) == 1
    assert "is taken" in refused.said
    assert "Traceback" not in refused.said


def test_a_setting_that_makes_no_sense_is_named_without_its_value(tmp_path: Path) -> None:
    refused = LocalMode(tmp_path / "data", ASSAY_ORCHESTRATOR_LOG_MAX_MIB="200")
    assert refused.process.wait(60) == 1
    assert refused.said == ("assay dev: ASSAY_ORCHESTRATOR_LOG_MAX_MIB: Input should be less than or equal to 150\n")


def test_who_takes_the_port_of_one_that_was_killed_gets_no_key(tmp_path_factory: pytest.TempPathFactory) -> None:
    """An agent that outlives its server may listen on any port of the machine, and the next command would tell it."""
    with tempfile.TemporaryDirectory(prefix="assay-") as folder:  # a short path, as a socket needs it
        local = LocalMode(Path(folder) / ".assay")
        try:
            known = local.until_ready()
            assay = Command(Path(folder))
            assert assay("list").code == 0
            assert stat.S_IMODE((local.folder / "gateway.sock").stat().st_mode) & 0o022 == 0
        finally:
            local.end(signal.SIGKILL)
        host, _, port = known["address"].rpartition(":")
        with socket.create_server((host, int(port))) as impostor:
            impostor.settimeout(0.5)
            for command in (assay, Command(Path(folder), {"ASSAY_ADDRESS": known["address"]})):
                refused = command("list", "--json")
                assert refused.code == 2
                assert "gateway.sock" in refused.error["message"], refused.error
            with pytest.raises(TimeoutError):
                impostor.accept()
        assert gone(local.children())
