import pytest

from deploy.local.composition import _limits
from services.gateway.settings import GatewaySettings


def test_local_mode_limits_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SUBMISSIONS_PER_HOUR", "MAX_PENDING"):
        monkeypatch.delenv(f"ASSAY_GATEWAY_{name}", raising=False)
    settings = GatewaySettings(**_limits())
    assert (settings.gateway_submissions_per_hour, settings.gateway_max_pending) == (0, 0)


def test_local_mode_limits_whom_it_is_told_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_GATEWAY_SUBMISSIONS_PER_HOUR", "3")
    monkeypatch.delenv("ASSAY_GATEWAY_MAX_PENDING", raising=False)
    settings = GatewaySettings(**_limits())
    assert (settings.gateway_submissions_per_hour, settings.gateway_max_pending) == (3, 0)


def test_elsewhere_ten_an_hour_and_a_thousand_waiting_are_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SUBMISSIONS_PER_HOUR", "MAX_PENDING"):
        monkeypatch.delenv(f"ASSAY_GATEWAY_{name}", raising=False)
    settings = GatewaySettings()
    assert (settings.gateway_submissions_per_hour, settings.gateway_max_pending) == (10, 1000)
