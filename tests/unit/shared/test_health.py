import asyncio
from typing import Any

import aiohttp

from shared.telemetry import health
from shared.telemetry.health import Health, health_port
from shared.telemetry.metrics import EVENTS_HANDLED


async def get(port: int, path: str) -> tuple[int, Any, str]:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{port}{path}") as answer,
    ):
        kind = answer.headers["Content-Type"]
        return answer.status, await (answer.json() if "json" in kind else answer.text()), kind


async def well() -> None:
    """A check that passes."""


async def ill() -> None:
    raise ConnectionError("no answer")


async def test_a_service_is_ready_while_every_check_passes() -> None:
    one = Health("one")
    one.add("mongodb", well)
    async with health_port([one], host="127.0.0.1", port=0) as port:
        assert (await get(port, "/readyz"))[:2] == (200, {"one": "ok"})
        one.add("nats", ill)
        assert (await get(port, "/readyz"))[:2] == (503, {"one": {"nats": "ConnectionError: no answer"}})
        assert (await get(port, "/healthz"))[:2] == (200, {"status": "ok", "services": ["one"]})


async def test_several_services_answer_on_one_port_each_for_itself() -> None:
    one, other = Health("one"), Health("other")
    other.add("nats", ill)
    async with health_port([one, other], host="127.0.0.1", port=0) as port:
        status, report, _ = await get(port, "/readyz")
        assert status == 503
        assert report == {"one": "ok", "other": {"nats": "ConnectionError: no answer"}}


async def test_a_service_that_is_draining_is_alive_and_not_ready() -> None:
    one = Health("one")
    async with health_port([one], host="127.0.0.1", port=0) as port:
        one.draining = True
        assert (await get(port, "/readyz"))[:2] == (503, {"one": {"one": "is shutting down"}})
        assert (await get(port, "/healthz"))[0] == 200


async def test_a_check_that_hangs_is_a_problem_and_holds_nobody_up() -> None:
    one = Health("one")
    for number in range(3):
        one.add(f"hangs {number}", asyncio.Event().wait)  # type: ignore[arg-type]
    async with asyncio.timeout(health.CHECK_TIMEOUT_S * 2.5):  # together and not one after the other
        problems = await one.problems()
    assert problems == {f"hangs {number}": "no answer within 2 s" for number in range(3)}


async def test_metrics_are_prometheus_text() -> None:
    EVENTS_HANDLED.labels("a-consumer", "done").inc()
    async with health_port([Health("one")], host="127.0.0.1", port=0) as port:
        status, text, kind = await get(port, "/metrics")
    assert status == 200
    assert kind.startswith("text/plain; version=")
    assert 'assay_events_handled_total{consumer="a-consumer",outcome="done"}' in text


async def test_what_is_not_there_is_not_found() -> None:
    async with health_port([], host="127.0.0.1", port=0) as port:
        assert (await get(port, "/"))[0] == 404
