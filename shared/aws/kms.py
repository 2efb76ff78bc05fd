"""Data keys wrapped by a key of AWS KMS, which never leaves it. For `store.sealing`.

Does not import boto3: the way to AWS is opened when the first key is needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from shared.aws.kinds import AwsError, Kind
from shared.aws.rates import Api
from shared.domain.masterkeys import KMS, CannotUnwrap, DataKey

if TYPE_CHECKING:
    from shared.aws.opening import Opening

CONTEXT: Final = {"assay": "data-key"}
"""The encryption context: KMS binds it to what it wraps, and writes it into CloudTrail."""
_NEVER: Final = frozenset({Kind.NOT_FOUND, Kind.INVALID, Kind.DENIED})


class KmsKeys:
    """One key of KMS that wraps; it and others unwrap what they have wrapped."""

    def __init__(self, opening: Opening, key_id: str) -> None:
        self._opening = opening
        self._key_id = key_id
        self.first = KMS + key_id

    async def new(self) -> DataKey:
        aws = await self._opening.aws()
        made = await aws.call(
            Api.GENERATE_DATA_KEY,
            aws.kms.generate_data_key,
            KeyId=self._key_id,
            KeySpec="AES_256",
            EncryptionContext=CONTEXT,
        )
        return DataKey(made["Plaintext"], made["CiphertextBlob"], self.first)

    async def wrap(self, secret: bytes) -> DataKey:
        aws = await self._opening.aws()
        made = await aws.call(
            Api.ENCRYPT, aws.kms.encrypt, KeyId=self._key_id, Plaintext=secret, EncryptionContext=CONTEXT
        )
        return DataKey(secret, made["CiphertextBlob"], self.first)

    async def unwrap(self, wrapped: bytes, by: str) -> bytes:
        aws = await self._opening.aws()
        try:
            opened = await aws.call(
                Api.DECRYPT,
                aws.kms.decrypt,
                KeyId=by.removeprefix(KMS),
                CiphertextBlob=wrapped,
                EncryptionContext=CONTEXT,
            )
        except AwsError as error:
            if error.kind in _NEVER:
                raise CannotUnwrap(f"KMS does not open it with the key {by!r}: {error}") from error
            raise
        return opened["Plaintext"]
