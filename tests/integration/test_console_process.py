"""The console as a process of its own: started by its environment, killed, replaced, ended by a signal."""

import json
from pathlib import Path
from typing import Any

import httpx2

from tests.support.console import SECRET, Browser, built_page
from tests.support.gateway import Stage
from tests.support.servers import free_port
from tests.support.system import started


def values(gateway: str, page: Path, port: int) -> dict[str, Any]:
    return {
        "console_gateway": gateway,
        "console_port": port,
        "console_page": page,
        "console_secrets": SECRET,
        "console_drain_s": 1,
    }


async def test_a_session_goes_on_when_the_console_was_killed_and_replaced(stage: Stage, tmp_path: Path) -> None:
    port = free_port()
    given = values(stage.address, built_page(tmp_path / "dist"), port)
    browser = Browser(base_url=f"http://127.0.0.1:{port}", headers={"x-assay-console": "1"}, trust_env=False)
    async with browser:
        with started("console", given) as process:
            await process.ready()
            await browser.sign_in((await stage.client("alice")).key)
            process.kill()
        with started("console", given) as process:
            await process.ready()
            assert (await browser.get("/session")).json()["userId"] == "alice"
            code, output = await process.terminate()
    assert code == 0, output
    lines = [json.loads(line) for line in output.splitlines()]
    assert [line["event"] for line in lines] == ["service_ready", "service_draining", "service_stopped"]


async def test_the_page_is_there_without_a_gateway_and_the_figures_without_a_session(tmp_path: Path) -> None:
    port = free_port()
    given = values(f"127.0.0.1:{free_port()}", built_page(tmp_path / "dist"), port)
    with started("console", given | {"console_secrets": ""}) as process:
        async with httpx2.AsyncClient(trust_env=False) as client:
            await process.ready()
            assert (await client.get(f"http://127.0.0.1:{port}/tests")).status_code == 200
            figures = (await client.get(f"http://127.0.0.1:{process.port}/metrics")).text
        code, output = await process.terminate()
    assert 'assay_console_requests_total{route="/{path:path}",status="200"} 1.0' in figures
    assert code == 0
    assert "sessions_end_with_the_console" in output
