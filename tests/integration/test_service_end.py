"""A service that does not end by itself when it is told to."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import ExitStack

from tests.support.system import ROOT

STUCK = """
import asyncio
from contextlib import asynccontextmanager
from shared import service
from shared.settings import CommonSettings
from shared.telemetry.health import Health

service.DRAIN_LIMIT_S = 0.2

@asynccontextmanager
async def running(settings):
    yield Health("stuck")
    await asyncio.Event().wait()

service.main("stuck", running, CommonSettings)
"""


def test_it_is_ended_and_says_what_it_waited_for() -> None:
    with ExitStack() as stack:
        process = stack.enter_context(
            subprocess.Popen(
                [sys.executable, "-c", STUCK],
                cwd=ROOT,
                stdout=subprocess.PIPE,
                text=True,
                env={"PATH": os.environ["PATH"], "ASSAY_HEALTH_PORT": "0", "ASSAY_LOG_FORMAT": "json"},
            )
        )
        stack.callback(process.kill)
        assert process.stdout
        assert json.loads(process.stdout.readline())["event"] == "service_ready"
        process.send_signal(signal.SIGTERM)
        lines = [json.loads(line) for line in process.stdout]
        assert process.wait(30) == os.EX_SOFTWARE
    assert [line["event"] for line in lines] == ["service_draining", "service_not_drained"]
    assert any("_until_stopped" in task and "Event.wait" in task for task in lines[-1]["tasks"]), lines
