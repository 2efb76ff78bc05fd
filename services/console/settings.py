"""The console's settings: environment variables `ASSAY_CONSOLE_*`."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, model_validator

from shared.settings import ProcessSettings

_MIB: Final = 1 << 20
SHORTEST_SECRET: Final = 32
LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")


class ConsoleSettings(ProcessSettings):
    """Settings of the console. It has no bus and no store: the gateway is all it knows."""

    console_host: str = Field("127.0.0.1", description="address of the console's port; 0.0.0.0 in a container")
    console_port: int = Field(7470, ge=0, le=65535, description="port of the console; 0 takes a free one")
    console_descriptors: str = Field(
        "",
        pattern=r"^(\d+(,\d+)*)?$",
        description="sockets to serve that whoever starts the console listens on: their numbers, separated by commas; "
        "host and port then mean nothing",
    )
    console_url: str = Field(
        "",
        description="how browsers reach the console, such as https://assay.example.com; empty: by its own address",
    )
    console_hosts: str = Field(
        "",
        description="further host names that browsers may use, separated by commas; the names of this machine's "
        "loopback and the one of ASSAY_CONSOLE_URL are allowed anyway, but those of loopback not where the latter is "
        "NAME.localhost",
    )
    console_page: Path = Field(
        Path(__file__).resolve().parent / "web" / "dist", description="folder with the built page"
    )
    console_gateway: str = Field(
        "127.0.0.1:50051", min_length=1, description="where the gateway is: HOST:PORT, or unix:PATH"
    )
    console_gateway_tls: bool = Field(False, description="speak TLS with the gateway")
    console_gateway_ca_file: Path | None = Field(
        None, description="certificates (PEM) of who may have signed the gateway's; turns TLS on"
    )
    console_gateway_cert_file: Path | None = Field(
        None, description="mutual TLS with the gateway: the console's certificate (PEM); turns TLS on"
    )
    console_gateway_key_file: Path | None = Field(
        None, description="mutual TLS with the gateway: private key of the certificate (PEM)"
    )
    console_secrets: SecretStr = Field(
        SecretStr(""),
        description="what sessions are sealed with, at least 32 characters, the same for all replicas; after a comma "
        "older ones that are still accepted. Empty: a random one, with which all sessions end when the console does",
    )
    console_session_h: float = Field(
        168.0, gt=0, le=8760, description="how long a session lasts, unless its key ends before, in hours"
    )
    console_oidc_issuer: str = Field(
        "", description="sign-in service (OpenID Connect issuer, https) with which people may sign in"
    )
    console_oidc_client_id: str = Field("", description="the console's client id at that service")
    console_oidc_client_secret: SecretStr = Field(
        SecretStr(""), description="the client's secret; empty for a public client, which PKCE protects"
    )
    console_oidc_scopes: str = Field(
        "openid profile offline_access",
        description="scopes to ask for, separated by spaces; offline_access: sessions outlive their first token",
    )
    console_oidc_audience: str = Field(
        "", description="sent as `audience` where the service wants to hear for whom the access token is"
    )
    console_oidc_token: Literal["access", "id"] = Field(
        "access", description="which token the gateway is shown: that for APIs, or the one that says who it is"
    )
    console_max_streams: int = Field(
        600, ge=1, le=100_000, description="event streams open at once, one for each tab; further ones get 503"
    )
    console_max_streams_of_user: int = Field(
        100, ge=1, le=100_000, description="of these, one user's; further ones get 503"
    )
    console_max_body_bytes: int = Field(
        8 * _MIB, ge=64 * 1024, description="largest body of a call of the API, in bytes"
    )
    console_max_upload_bytes: int = Field(
        32 * _MIB, ge=1024, description="largest upload of files, in bytes; the gateway has limits of its own"
    )
    console_drain_s: float = Field(
        5.0, gt=0, description="how long requests under way may take to end when the console stops, in seconds"
    )

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if (self.console_gateway_cert_file is None) != (self.console_gateway_key_file is None):
            raise ValueError("ASSAY_CONSOLE_GATEWAY_CERT_FILE and _KEY_FILE are set together or not at all")
        if any(len(secret) < SHORTEST_SECRET for secret in self.secrets):
            raise ValueError(f"each of ASSAY_CONSOLE_SECRETS has at least {SHORTEST_SECRET} characters")
        if self.console_url and not _is_origin(self.console_url):
            raise ValueError("ASSAY_CONSOLE_URL must be https://HOST or http://HOST, with a port or without, no path")
        if not (self.descriptors or is_loopback(self.console_host) or self.console_url.startswith("https://")):
            raise ValueError(
                f"ASSAY_CONSOLE_HOST={self.console_host} is not an address of this machine alone, and keys would "
                "travel there in the clear. Set ASSAY_CONSOLE_URL=https://NAME, by which browsers reach it through a "
                "proxy that does TLS, or ASSAY_CONSOLE_HOST=127.0.0.1"
            )
        if self.console_oidc_issuer:
            self._check_oidc()
        return self

    def _check_oidc(self) -> None:
        if not self.console_oidc_client_id:
            raise ValueError("ASSAY_CONSOLE_OIDC_ISSUER needs ASSAY_CONSOLE_OIDC_CLIENT_ID")
        if not self.console_url:
            raise ValueError(
                "ASSAY_CONSOLE_OIDC_ISSUER needs ASSAY_CONSOLE_URL, where the service sends people back to"
            )
        parts = urlsplit(self.console_oidc_issuer)
        if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname or "")):
            raise ValueError("ASSAY_CONSOLE_OIDC_ISSUER must begin with https:// (http:// for this machine only)")

    @property
    def secrets(self) -> Sequence[str]:
        """The first one signs."""
        return [part.strip() for part in self.console_secrets.get_secret_value().split(",") if part.strip()]

    @property
    def descriptors(self) -> Sequence[int]:
        """Of sockets that are there already."""
        return [int(number) for number in self.console_descriptors.split(",") if number]

    @property
    def origin(self) -> str:
        """Of ASSAY_CONSOLE_URL, without a slash at its end. May be empty."""
        return self.console_url.rstrip("/")

    @property
    def hosts(self) -> frozenset[str]:
        """Names by which browsers may know the console, without ports, in lower case."""
        named = {part.strip().lower() for part in self.console_hosts.split(",") if part.strip()}
        own = (urlsplit(self.console_url).hostname or "").lower()
        # A name below localhost was chosen so that cookies go to this console and no other port of this machine.
        usual = () if own.endswith(".localhost") else LOOPBACK
        return frozenset({*usual, *named, *([own] if own else [])})

    @property
    def tls(self) -> bool:
        """Whether the gateway is spoken to by TLS."""
        return self.console_gateway_tls or bool(self.console_gateway_ca_file or self.console_gateway_cert_file)


def is_loopback(host: str) -> bool:
    """Whether this name or address leads to this machine, and nowhere else."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _is_origin(url: str) -> bool:
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises where it is no number
    except ValueError:
        return False
    return (
        parts.scheme in {"http", "https"}
        and bool(parts.hostname)
        and parts.path in {"", "/"}
        and not (parts.query or parts.fragment or parts.username)
    )
