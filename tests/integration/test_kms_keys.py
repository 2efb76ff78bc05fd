"""Data keys wrapped by a key of KMS, on an emulator of AWS: made, unwrapped, refused, and wrapped anew."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from botocore.exceptions import EndpointConnectionError

from shared.aws.kinds import AwsError
from shared.aws.kms import CONTEXT, KmsKeys
from shared.aws.opening import Opening, open_aws
from shared.aws.settings import AwsSettings
from shared.domain.masterkeys import CannotUnwrap
from tests.support.servers import AWS_KEY, RunningServer


@pytest.fixture
async def opening(emulator: RunningServer) -> AsyncIterator[Opening]:
    found = Opening(AwsSettings(aws_endpoint_url=emulator.url), lambda settings: open_aws(settings, AWS_KEY))
    yield found
    found.close()


@pytest.fixture
async def key_id(opening: Opening) -> str:
    aws = await opening.aws()
    return aws.kms.create_key(Description="tests")["KeyMetadata"]["KeyId"]


async def test_a_data_key_comes_back_and_its_name_says_which_key_wrapped_it(opening: Opening, key_id: str) -> None:
    ring = KmsKeys(opening, key_id)
    made = await ring.new()
    assert (len(made.secret), made.by) == (32, f"kms:{key_id}")
    assert made.secret not in made.wrapped
    assert await ring.unwrap(made.wrapped, made.by) == made.secret
    assert str(made.secret) not in repr(made)


async def test_a_data_key_that_is_there_is_wrapped_for_a_rotation(opening: Opening, key_id: str) -> None:
    ring = KmsKeys(opening, key_id)
    wrapped = await ring.wrap(b"k" * 32)
    assert await ring.unwrap(wrapped.wrapped, wrapped.by) == b"k" * 32


async def test_what_kms_never_opens_is_told_apart_from_a_kms_that_is_away(opening: Opening, key_id: str) -> None:
    ring = KmsKeys(opening, key_id)
    made = await ring.new()
    with pytest.raises(CannotUnwrap, match="KMS does not open it"):
        await ring.unwrap(b"nonsense", made.by)
    aws = await opening.aws()
    aws.kms.meta.events.register("before-send.kms.Decrypt", _gone)
    with pytest.raises(AwsError):
        await ring.unwrap(made.wrapped, made.by)
    assert CONTEXT == {"assay": "data-key"}  # what has been wrapped with it opens only with it


def _gone(**_: object) -> None:
    raise EndpointConnectionError(endpoint_url="https://kms")
