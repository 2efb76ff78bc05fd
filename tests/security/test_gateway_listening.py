"""Where the gateway listens: keys travel in the clear only where nobody else hears them, or somebody has said so."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from services.console.settings import ConsoleSettings
from services.gateway.settings import is_this_machine
from shared.settings import BadEnvironment
from tests.support.gateway import settings

ROOT = Path(__file__).parents[2]
ELSEWHERE = ["0.0.0.0", "::", "[::]", "10.1.2.3", "gateway.internal", "192.168.0.1", "2001:db8::1", ""]


def given(host: str, **more: Any) -> Any:
    return settings("nats://x", "mongodb://x", "x", gateway_host=host, **more)


@pytest.mark.parametrize("host", ELSEWHERE)
def test_without_a_certificate_it_does_not_listen_where_others_reach_it(host: str) -> None:
    with pytest.raises(BadEnvironment) as refusal:
        given(host)
    for what in (
        "ASSAY_GATEWAY_TLS_CERT_FILE",
        "ASSAY_GATEWAY_TLS_KEY_FILE",
        "ASSAY_GATEWAY_PLAINTEXT_BEHIND_PROXY=true",
        "ASSAY_GATEWAY_HOST=127.0.0.1",
    ):
        assert what in str(refusal.value)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "[::1]", "localhost"])
def test_on_this_machine_it_needs_none(host: str) -> None:
    assert is_this_machine(host)
    assert given(host).gateway_host == host


def test_with_a_certificate_or_behind_a_proxy_it_listens_anywhere(tmp_path: Path) -> None:
    certificate = {"gateway_tls_cert_file": tmp_path / "c.pem", "gateway_tls_key_file": tmp_path / "k.pem"}
    for more in (certificate, {"gateway_plaintext_behind_proxy": True}):
        assert given("0.0.0.0", **more).gateway_host == "0.0.0.0"


@pytest.mark.parametrize("host", ELSEWHERE)
def test_the_console_too_listens_where_others_reach_it_only_behind_tls(host: str) -> None:
    for url in ("", "http://assay.example.com"):
        with pytest.raises(BadEnvironment, match="ASSAY_CONSOLE_URL=https://"):
            ConsoleSettings(console_host=host, console_url=url)
    assert ConsoleSettings(console_host=host, console_url="https://assay.example.com").console_host == host
    assert ConsoleSettings().console_host == "127.0.0.1"


def test_the_process_says_what_to_set_and_does_not_start() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "services.gateway"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "ASSAY_GATEWAY_HOST": "0.0.0.0"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode != 0
    assert "ASSAY_GATEWAY_PLAINTEXT_BEHIND_PROXY=true" in done.stderr + done.stdout
    assert "Traceback" not in done.stderr
