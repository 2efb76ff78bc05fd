"""What every service is told by its environment. Each service adds its own in `services/<name>/settings.py`.

Variables are `ASSAY_*`; `docs/configuration.md` is generated from these classes. No module-level instance: settings
are arguments.
"""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from shared.errors import AssayError


class BadEnvironment(AssayError):
    """A variable of the environment has a value that makes no sense. A line for each, by its name."""


class ProcessSettings(BaseSettings):
    """Settings that every process of Assay has, with or without a bus and a store."""

    model_config = SettingsConfigDict(env_prefix="ASSAY_", extra="ignore", frozen=True)

    def __init__(self, **values: Any) -> None:
        """Raises BadEnvironment, which says no value: it may be a password."""
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise BadEnvironment("\n".join(map(self._in_words, error.errors()))) from None
        except SettingsError as error:  # its only word on which one it is lies in its text
            names = [name for name in type(self).model_fields if f'"{name}"' in str(error)]
            raise BadEnvironment("\n".join(self._badly_written(name) for name in names)) from None

    @classmethod
    def _in_words(cls, problem: ErrorDetails) -> str:
        says = problem["msg"].removeprefix("Value error, ")
        if not problem["loc"]:  # of several variables, which it names itself
            return says
        name = str(problem["loc"][0])
        if problem["type"] == "string_pattern_mismatch":
            return cls._badly_written(name)
        return f"{_variable(name)}: {says}"

    @classmethod
    def _badly_written(cls, name: str) -> str:
        """What it is and so how it is written: a pattern tells nobody."""
        return f"{_variable(name)}: is not written as it must be: {cls.model_fields[name].description}"

    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="lowest level that is logged")
    log_format: Literal["json", "console"] = Field("json", description="json for machines, console for people")
    health_host: str = Field("0.0.0.0", description="address of the health port")  # noqa: S104 - probes come from outside the pod
    health_port: int = Field(
        8080, ge=0, le=65535, description="port of /healthz, /readyz and /metrics; 0 takes a free one"
    )
    instance: str = Field(
        default_factory=socket.gethostname, description="name of this replica; two that run at once must differ"
    )


class CommonSettings(ProcessSettings):
    """Settings of every service that works with the bus and the store."""

    nats_url: SecretStr = Field(
        SecretStr("nats://127.0.0.1:4222"), description="NATS server, with credentials in the URL where it wants them"
    )
    nats_ca_file: Path | None = Field(
        None, description="NATS over TLS: certificates (PEM) of who may have signed the server's; turns TLS on"
    )
    nats_cert_file: Path | None = Field(
        None, description="NATS over mutual TLS: this service's certificate (PEM); turns TLS on"
    )
    nats_key_file: Path | None = Field(None, description="NATS over mutual TLS: private key of the certificate (PEM)")
    nats_closed_holes: tuple[str, ...] = Field(
        (),
        description="known holes of nats-server that you have closed by configuration, as JSON of their ids "
        '(["CVE-2025-30215"]): they are told instead of warned of',
    )
    mongo_url: SecretStr = Field(
        SecretStr("mongodb://127.0.0.1:27017/?replicaSet=rs0"),
        description="MongoDB replica set, with credentials in the URL, and TLS too: ?tls=true&tlsCAFile=...",
    )
    mongo_database: str = Field("assay", description="name of the database")
    stream_replicas: int = Field(
        1, ge=1, le=5, description="copies of each JetStream stream; 3 on a NATS cluster of three"
    )
    sweep_interval_s: float = Field(
        5.0, gt=0, description="how often a service looks for work by itself, without an event, in seconds"
    )

    @model_validator(mode="after")
    def _nats_certificate_is_whole(self) -> Self:
        if (self.nats_cert_file is None) != (self.nats_key_file is None):
            raise ValueError("ASSAY_NATS_CERT_FILE and ASSAY_NATS_KEY_FILE are set together or not at all")
        return self


def _variable(field: str) -> str:
    return f"ASSAY_{field}".upper()
