from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    NoRegionError,
    ParamValidationError,
    PartialCredentialsError,
    ReadTimeoutError,
)

from shared.aws.failures import Kind, classify


def said(code: str, message: str = "", status: int = 400, **more: Any) -> ClientError:
    answer: Any = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}, **more}
    return ClientError(answer, "Operation")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (said("ThrottlingException", "Rate exceeded"), Kind.THROTTLED),
        (said("TooManyRequestsException"), Kind.THROTTLED),
        (said("SlowDown", status=503), Kind.THROTTLED),
        (said("InvalidParameterException", "Unable to assume role: Rate exceeded"), Kind.THROTTLED),
        (said("ClientException", "Too many concurrent attempts to create a new revision"), Kind.THROTTLED),
        (said("Unknown", status=429), Kind.THROTTLED),
        (said("ServerException", status=500), Kind.UNAVAILABLE),
        (said("Unknown", status=502), Kind.UNAVAILABLE),
        (said("ClientException", "Capacity is unavailable at this time."), Kind.CAPACITY),
        (said("LimitExceededException"), Kind.CAPACITY),
        (said("ExpiredTokenException", "The security token included in the request is expired"), Kind.CREDENTIALS),
        (said("ExpiredToken", status=400), Kind.CREDENTIALS),
        (said("UnrecognizedClientException"), Kind.CREDENTIALS),
        (said("AccessDeniedException", status=400), Kind.DENIED),
        (said("403", "Forbidden", 403), Kind.DENIED),
        (said("ClusterNotFoundException"), Kind.NOT_FOUND),
        (said("NoSuchKey", status=404), Kind.NOT_FOUND),
        (said("404", "Not Found", 404), Kind.NOT_FOUND),
        (said("InvalidParameterException", "The specified log group does not exist."), Kind.NOT_FOUND),
        (said("ConflictException"), Kind.CONFLICT),
        (said("ResourceAlreadyExistsException"), Kind.CONFLICT),
        (said("InvalidParameterException", "Something else"), Kind.INVALID),
        (said("NeverHeardOf"), Kind.INVALID),
        (NoCredentialsError(), Kind.CREDENTIALS),
        (PartialCredentialsError(provider="env", cred_var="AWS_SECRET_ACCESS_KEY"), Kind.CREDENTIALS),
        (ReadTimeoutError(endpoint_url="u"), Kind.UNAVAILABLE),
        (ConnectTimeoutError(endpoint_url="u"), Kind.UNAVAILABLE),
        (EndpointConnectionError(endpoint_url="u"), Kind.UNAVAILABLE),
        (NoRegionError(), Kind.INVALID),
        (ParamValidationError(report="x"), Kind.INVALID),
    ],
    ids=repr,
)
def test_every_error_has_a_kind(error: Exception, kind: Kind) -> None:
    found = classify(error, "Operation")
    assert found.kind is kind
    assert found.operation == "Operation"
    assert str(found).startswith("Operation: ")


def test_only_what_may_pass_is_tried_again() -> None:
    assert {kind for kind in Kind if kind.temporary} == {Kind.THROTTLED, Kind.UNAVAILABLE}


def test_a_conflict_says_what_has_the_token() -> None:
    found = classify(said("ConflictException", "in use", resourceIds=["arn:1"]), "RunTask")
    assert found.resources == ("arn:1",)
