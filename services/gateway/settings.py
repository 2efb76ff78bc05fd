"""The gateway's settings: environment variables `ASSAY_GATEWAY_*`."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from shared.aws.settings import AwsSettings
from shared.settings import CommonSettings
from shared.store.settings import EncryptionSettings

_MIB = 1 << 20


class GatewaySettings(CommonSettings, AwsSettings, EncryptionSettings):
    """Settings of the gateway. It signs links to packages, and needs AWS for nothing else."""

    gateway_host: str = Field("127.0.0.1", description="address of the gRPC port; 0.0.0.0 in a container")
    gateway_port: int = Field(50051, ge=0, le=65535, description="gRPC port; 0 takes a free one")
    gateway_socket: Path | None = Field(
        None,
        description="listen on this unix socket, too: for clients of this machine, who can be sure then who answers",
    )
    gateway_tls_cert_file: Path | None = Field(None, description="server certificate (PEM); turns TLS on")
    gateway_tls_key_file: Path | None = Field(None, description="private key of the certificate (PEM)")
    gateway_tls_client_ca_file: Path | None = Field(
        None, description="clients must show a certificate signed by this authority (mTLS)"
    )
    gateway_plaintext_behind_proxy: bool = Field(
        False,
        description="listen without TLS on addresses that other machines reach: a proxy before the gateway does it",
    )
    gateway_oidc_issuer: str = Field(
        "", description="sign-in service (OpenID Connect issuer, https) whose tokens are taken beside API keys"
    )
    gateway_oidc_audience: str = Field("", description="what a token must be for (aud); goes with the issuer")
    gateway_oidc_jwks_url: str = Field(
        "", description="where the issuer's keys are (https); empty: found by its discovery document"
    )
    gateway_oidc_user_claim: str = Field(
        "sub", min_length=1, description="claim of a token that is the user id: letters, digits, - and _, at most 64"
    )
    gateway_oidc_admin_claim: str = Field(
        "", description="claim that makes an admin, by a dotted path where it is nested: realm_access.roles"
    )
    gateway_oidc_admin_value: str = Field("", description="what that claim must be or contain")
    gateway_max_message_bytes: int = Field(
        4 * _MIB,
        ge=_MIB,
        description="largest gRPC message, in and out; without archives in it the largest valid one is below 3 MiB",
    )
    gateway_max_streams: int = Field(1_000, ge=1, description="calls under way at once on one connection")
    gateway_max_connections: int = Field(
        20_000,
        ge=1,
        description="connections at once, fewer where the process may not open so many files; further ones are closed",
    )
    gateway_max_calls: int = Field(
        20_000, ge=1, description="calls with a key under way at once in all; further ones get RESOURCE_EXHAUSTED"
    )
    gateway_max_calls_of_user: int = Field(
        2_000, ge=1, description="calls of one user under way at once, open streams included"
    )
    gateway_max_calls_without_key: int = Field(
        128, ge=2, description="calls that need no key (health, reflection) under way at once; half of it for streams"
    )
    gateway_max_calls_without_key_of_peer: int = Field(
        32, ge=2, description="the same from one address; half of it for streams"
    )
    gateway_without_key_s: float = Field(
        600.0, gt=0, description="how long a stream without a key may last (Health.Watch, reflection), in seconds"
    )
    gateway_wrong_keys_per_minute: int = Field(
        30, ge=1, description="calls without a valid key from one address in a minute; answers to further ones wait"
    )
    gateway_message_s: float = Field(
        60.0, gt=0, description="how long a message of a client may take to arrive, in seconds"
    )
    gateway_handshake_s: float = Field(
        10.0, gt=0, description="how long a new connection may take to begin with TLS and HTTP/2, in seconds"
    )
    gateway_idle_s: float = Field(
        600.0, gt=0, description="connections without a call are closed after this time, in seconds"
    )
    gateway_reflection: bool = Field(
        False, description="tell everybody the methods and messages of the API by gRPC reflection, without a key"
    )
    gateway_keepalive_s: float = Field(
        30.0, ge=1, description="how often a silent connection is asked whether it still lives, in seconds"
    )
    gateway_ping_answer_s: float = Field(
        30.0, gt=0, description="how long the answer to that may take until the connection is given up, in seconds"
    )
    gateway_min_ping_s: float = Field(
        10.0, ge=0.1, description="clients that ping more often than this are disconnected, in seconds"
    )
    gateway_drain_s: float = Field(
        5.0, gt=0, description="how long calls under way may take to end when the gateway stops, in seconds"
    )
    gateway_default_timeout_s: int = Field(
        300, ge=1, le=21_600, description="time limit of a test that names none, in seconds"
    )
    gateway_default_memory_mib: int = Field(512, ge=64, description="memory of a test that names none, in MiB")
    gateway_submissions_per_hour: int = Field(
        10,
        ge=0,
        le=10_000,
        description="tests that a user may hand in in any 60 minutes, retries included; 0: no limit. "
        "An admin sets another one for single users",
    )
    gateway_max_pending: int = Field(
        1000,
        ge=0,
        le=10_000,
        description="tests of a user that may wait at the same time; 0: no limit. "
        "An admin sets another one for single users",
    )
    gateway_project_max_bytes: int = Field(
        5 * _MIB, ge=1024, le=15 * _MIB, description="largest project of a test, all files together, in bytes"
    )
    gateway_project_max_files: int = Field(200, ge=1, le=500, description="most files of a project")
    gateway_inputs_max_bytes: int = Field(
        10 * _MIB, ge=1024, le=15 * _MIB, description="largest input files of a test, all together, in bytes"
    )
    gateway_inputs_max_files: int = Field(100, ge=1, le=400, description="most input files of a test")
    gateway_projects_keep_days: int = Field(
        90,
        ge=7,
        le=3_650,
        description="how long projects and input files are kept after a test last used them, in days",
    )
    gateway_projects_max_mib: int = Field(
        2_048, ge=0, description="projects and input files of a user that may be stored at once, in MiB; 0: no limit"
    )
    gateway_audit_keep_days: int = Field(
        365, ge=0, le=36_500, description="how long entries of the audit log are kept, in days; 0: for ever"
    )
    gateway_look_s: float = Field(
        3.0, gt=0, description="how often the store is looked at for a followed test when no event comes, in seconds"
    )
    gateway_link_s: int = Field(
        3600,
        ge=60,
        le=604_800,
        description="how long a link to a package works, unless something ends before, in seconds",
    )

    @model_validator(mode="after")
    def _tls_is_whole(self) -> GatewaySettings:
        if (self.gateway_tls_cert_file is None) != (self.gateway_tls_key_file is None):
            raise ValueError("TLS needs both ASSAY_GATEWAY_TLS_CERT_FILE and ASSAY_GATEWAY_TLS_KEY_FILE")
        if self.gateway_tls_client_ca_file and not self.gateway_tls_cert_file:
            raise ValueError("ASSAY_GATEWAY_TLS_CLIENT_CA_FILE needs ASSAY_GATEWAY_TLS_CERT_FILE")
        return self

    @model_validator(mode="after")
    def _keys_travel_encrypted(self) -> GatewaySettings:
        safe = is_this_machine(self.gateway_host) or self.gateway_tls_cert_file or self.gateway_plaintext_behind_proxy
        if not safe:
            raise ValueError(
                f"ASSAY_GATEWAY_HOST={self.gateway_host} is not an address of this machine alone, and API keys would "
                "travel there in the clear. Set ASSAY_GATEWAY_TLS_CERT_FILE and ASSAY_GATEWAY_TLS_KEY_FILE, or "
                "ASSAY_GATEWAY_PLAINTEXT_BEHIND_PROXY=true where a proxy before the gateway does TLS, "
                "or ASSAY_GATEWAY_HOST=127.0.0.1"
            )
        return self

    @model_validator(mode="after")
    def _oidc_is_whole(self) -> GatewaySettings:
        if bool(self.gateway_oidc_issuer) != bool(self.gateway_oidc_audience):
            raise ValueError("ASSAY_GATEWAY_OIDC_ISSUER and ASSAY_GATEWAY_OIDC_AUDIENCE are set together or not at all")
        if bool(self.gateway_oidc_admin_claim) != bool(self.gateway_oidc_admin_value):
            raise ValueError("ASSAY_GATEWAY_OIDC_ADMIN_CLAIM and ASSAY_GATEWAY_OIDC_ADMIN_VALUE are set together")
        if not self.gateway_oidc_issuer and (self.gateway_oidc_jwks_url or self.gateway_oidc_admin_claim):
            raise ValueError("ASSAY_GATEWAY_OIDC_JWKS_URL and _ADMIN_CLAIM need ASSAY_GATEWAY_OIDC_ISSUER")
        for name in ("gateway_oidc_issuer", "gateway_oidc_jwks_url"):
            url = getattr(self, name)
            if url and not is_encrypted_or_local(url):
                raise ValueError(f"ASSAY_{name.upper()} must begin with https:// (http:// for this machine only)")
        return self


def is_this_machine(host: str) -> bool:
    """Whether only programs of this machine can connect there."""
    try:
        return host == "localhost" or ip_address(host.strip("[]")).is_loopback
    except ValueError:  # a name: whose address it is is not known here
        return False


def is_encrypted_or_local(url: str) -> bool:
    """Whether what is fetched there can be trusted: over https, or from this machine."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        return bool(host) and (
            parts.scheme == "https"
            or (parts.scheme == "http" and (host == "localhost" or ip_address(host).is_loopback))
        )
    except ValueError:  # no URL, or the host is a name and no address
        return False
