"""How AWS is reached: for every service that does, beside its own settings. Credentials come from boto3's own chain."""

from __future__ import annotations

from typing import NamedTuple

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class AwsSettings(BaseSettings):
    """Settings of the way to AWS."""

    model_config = SettingsConfigDict(env_prefix="ASSAY_", extra="ignore", frozen=True)

    aws_endpoint_url: str = Field("", description="address of an AWS emulator; empty is AWS itself")
    aws_region: str = Field("us-east-1", description="AWS region")
    aws_bucket: str = Field("", description="S3 bucket of contexts, results and packages")
    aws_prefix: str = Field("", description="what every key in the bucket begins with, such as `staging/`")
    aws_rate_share: float = Field(
        1.0, gt=0, le=1, description="this replica's share of the account's API rates; 0.5 where two run"
    )
    aws_log_group: str = Field("/assay/tests", description="CloudWatch log group that tasks write to")
    aws_log_retention_days: int = Field(14, ge=1, description="how long CloudWatch keeps what tasks wrote, days")


class Key(NamedTuple):
    """An access key, where it does not come from boto3's own chain: that of an emulator. Never logged."""

    access_key: str
    secret_key: str

    def __repr__(self) -> str:
        return f"Key({self.access_key[:4]}...)"
