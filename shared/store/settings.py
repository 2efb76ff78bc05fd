"""How what lies in the store is encrypted: for the services that read or write it, beside their own settings."""

from __future__ import annotations

from pydantic import Field, SecretStr, field_validator

from shared.domain.masterkeys import master_keys
from shared.settings import ProcessSettings


class EncryptionSettings(ProcessSettings):
    """What services need that read or write queries and values of environments. Beside their other settings."""

    encryption_keys: SecretStr = Field(
        SecretStr(""),
        description="encrypts queries and values of environments in the store: NAME:KEY, 32 bytes in base64 "
        "(`assay-admin encryption-key`), or several with commas. The first encrypts, all decrypt. Empty: no encryption",
    )
    encryption_kms_key_id: str = Field(
        "",
        description="the same with a key of AWS KMS (its id, ARN or alias), which comes before ASSAY_ENCRYPTION_KEYS",
    )
    encryption_search: bool = Field(
        False,
        description="keep the words of encrypted queries readable, so that tests are found by them; else they are "
        "found by the words of their names only",
    )

    @field_validator("encryption_keys")
    @classmethod
    def _keys_are_keys(cls, value: SecretStr) -> SecretStr:
        master_keys(value.get_secret_value())
        return value
