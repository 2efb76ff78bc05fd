"""Credentials that open nothing, for clients that call nobody."""

import pytest


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret/+=")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token/+==")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
