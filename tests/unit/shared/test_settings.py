import os
import socket
from collections.abc import Iterator

import pytest
from pydantic import ValidationError

from services.logstreamer.settings import LogstreamerSettings
from services.orchestrator.settings import OrchestratorSettings
from services.packager.settings import PackagerSettings
from services.scheduler.settings import SchedulerSettings
from shared.settings import BadEnvironment, CommonSettings

KINDS = [CommonSettings, SchedulerSettings, OrchestratorSettings, LogstreamerSettings, PackagerSettings]


@pytest.fixture(autouse=True)
def environment() -> Iterator[None]:
    """Without any variable of ours, whatever the caller's shell has; put back afterwards."""
    before = dict(os.environ)
    for name in before:
        if name.startswith("ASSAY_"):
            del os.environ[name]
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.mark.parametrize("kind", KINDS)
def test_every_service_starts_without_any_variable(kind: type[CommonSettings]) -> None:
    settings = kind()
    assert settings.nats_url.get_secret_value() == "nats://127.0.0.1:4222"
    assert settings.mongo_database == "assay"
    assert settings.instance == socket.gethostname()


@pytest.mark.parametrize("kind", KINDS)
def test_every_setting_says_what_it_is_for(kind: type[CommonSettings]) -> None:
    assert [name for name, field in kind.model_fields.items() if not field.description] == []


def test_variables_are_read_by_their_names() -> None:
    os.environ |= {
        "ASSAY_NATS_URL": "nats://u:p@h:1",
        "ASSAY_SCHEDULER_CAPACITY": "3",
        "ASSAY_SWEEP_INTERVAL_S": "0.5",
        "ASSAY_LOG_FORMAT": "console",
        "ASSAY_UNKNOWN": "1",
    }
    settings = SchedulerSettings()
    assert settings.nats_url.get_secret_value() == "nats://u:p@h:1"
    assert (settings.scheduler_capacity, settings.sweep_interval_s, settings.log_format) == (3, 0.5, "console")


def test_a_password_in_a_url_does_not_show() -> None:
    settings = CommonSettings(nats_url="nats://u:hidden@h:1", mongo_url="mongodb://u:hidden@h:1")  # type: ignore[arg-type]
    assert "hidden" not in f"{settings!r} {settings} {settings.model_dump_json()}"


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        CommonSettings().log_level = "debug"  # type: ignore[misc]


WRONG = {
    "ASSAY_SCHEDULER_CAPACITY": ["0", "10001", "many", ""],
    "ASSAY_SCHEDULER_SILENCE_S": ["0", "-1"],
    "ASSAY_SWEEP_INTERVAL_S": ["0", "nan"],
    "ASSAY_HEALTH_PORT": ["65536", "-1"],
    "ASSAY_LOG_LEVEL": ["loud"],
    "ASSAY_LOG_FORMAT": ["xml"],
    "ASSAY_STREAM_REPLICAS": ["0", "6"],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_a_value_that_makes_no_sense_is_refused_by_name(name: str, value: str) -> None:
    os.environ[name] = value
    with pytest.raises(BadEnvironment) as caught:
        SchedulerSettings()
    assert [line.partition(":")[0] for line in str(caught.value).splitlines()] == [name]
    assert not value or repr(value) not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("ASSAY_PROCESS_SECRET_PREFIXES", "hidden", "a / at its end"),
        ("ASSAY_PROCESS_SECRETS_ENV_PREFIX", "hidden", "ends in _"),
        ("ASSAY_NATS_CLOSED_HOLES", "hidden", 'as JSON of their ids (["CVE-'),
    ],
)
def test_what_is_badly_written_says_how_it_is_written(name: str, value: str, says: str) -> None:
    os.environ[name] = value
    with pytest.raises(BadEnvironment) as caught:
        OrchestratorSettings()
    said = str(caught.value)
    assert said.startswith(f"{name}: ")
    assert says in said
    assert value not in said
    assert "^" not in said, "a pattern tells nobody"


@pytest.mark.parametrize("value", ["hidden", '["hidden"]', '{"A": "hidden"', '{"A": {"hidden": 1}}'])
def test_a_table_that_is_none_is_refused_by_name_and_its_values_do_not_show(value: str) -> None:
    os.environ["ASSAY_PROCESS_BUILD_ENV"] = value
    with pytest.raises(BadEnvironment) as caught:
        OrchestratorSettings()
    said = str(caught.value)
    assert (said.partition(":")[0], "hidden" in said.lower(), "\n" in said) == ("ASSAY_PROCESS_BUILD_ENV", False, False)
