"""What went wrong with an AWS call: one table from the codes and words of AWS to a handful of kinds."""

from __future__ import annotations

from typing import Any, Final

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004 - botocore's name
    CredentialRetrievalError,
    HTTPClientError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    SSOTokenLoadError,
    TokenRetrievalError,
    UnauthorizedSSOTokenError,
)

from shared.aws.kinds import AwsError, Kind

__all__ = ["AwsError", "Kind", "classify"]


_KINDS: Final = {
    Kind.THROTTLED: (
        "Throttling ThrottlingException ThrottledException RequestThrottled RequestThrottledException "
        "TooManyRequestsException RequestLimitExceeded BandwidthLimitExceeded SlowDown PriorRequestNotComplete "
        "ProvisionedThroughputExceededException"
    ),
    Kind.UNAVAILABLE: (
        "ServerException InternalFailure InternalError InternalServerError ServiceUnavailable "
        "ServiceUnavailableException RequestTimeout RequestTimeoutException 500 502 503 504"
    ),
    Kind.CREDENTIALS: (
        "ExpiredToken ExpiredTokenException RequestExpired InvalidClientTokenId UnrecognizedClientException "
        "InvalidAccessKeyId SignatureDoesNotMatch InvalidSignatureException IncompleteSignature "
        "MissingAuthenticationToken MissingAuthenticationTokenException AuthFailure InvalidToken OptInRequired"
    ),
    Kind.DENIED: (
        "AccessDenied AccessDeniedException UnauthorizedOperation NotAuthorized Forbidden 403 BlockedException"
    ),
    Kind.NOT_FOUND: (
        "ClusterNotFoundException ResourceNotFoundException NoSuchKey NoSuchBucket NotFound 404 "
        "NoSuchLifecycleConfiguration QueueDoesNotExist AWS.SimpleQueueService.NonExistentQueue"
    ),
    Kind.CONFLICT: (
        "ConflictException ResourceAlreadyExistsException OperationAbortedException OperationAborted "
        "ResourceInUseException UpdateInProgressException"
    ),
    Kind.CAPACITY: (
        "LimitExceededException PlatformTaskDefinitionIncompatibilityException ServiceQuotaExceededException"
    ),
}
_KIND_OF_CODE: Final = {code: kind for kind, codes in _KINDS.items() for code in codes.split()}

# InvalidParameterException or ClientException in the code, and something else in the words (dagster-io/dagster#33439).
_WORDS: Final = (
    ("rate exceeded", Kind.THROTTLED),
    ("too many concurrent", Kind.THROTTLED),
    ("capacity is unavailable", Kind.CAPACITY),
    ("limit on the number of", Kind.CAPACITY),
    ("the specified log group does not exist", Kind.NOT_FOUND),
    ("the referenced cluster was", Kind.NOT_FOUND),
    ("security token included in the request is expired", Kind.CREDENTIALS),
)


def classify(error: Exception, operation: str) -> AwsError:
    """The kind of what boto3 raised. What is in no table is INVALID where AWS answered, else UNAVAILABLE."""
    if isinstance(error, ClientError):
        answer: Any = error.response
        code = str(answer.get("Error", {}).get("Code", ""))
        message = str(answer.get("Error", {}).get("Message", "")) or "no message"
        return AwsError(_kind(code, message, answer), operation, code, message, answer.get("resourceIds", ()))
    return AwsError(_kind_of_local(error), operation, type(error).__name__, str(error))


def _kind(code: str, message: str, answer: Any) -> Kind:
    lowered = message.lower()
    for words, kind in _WORDS:
        if words in lowered:
            return kind
    known = _KIND_OF_CODE.get(code)
    if known:
        return known
    status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 400)
    return Kind.UNAVAILABLE if status >= 500 else Kind.THROTTLED if status == 429 else Kind.INVALID


def _kind_of_local(error: Exception) -> Kind:
    """What boto3 found out without an answer of AWS."""
    match error:
        case (
            NoCredentialsError()
            | PartialCredentialsError()
            | CredentialRetrievalError()
            | TokenRetrievalError()
            | SSOTokenLoadError()
            | UnauthorizedSSOTokenError()
        ):
            return Kind.CREDENTIALS
        case ConnectionError() | HTTPClientError():
            return Kind.UNAVAILABLE
        case NoRegionError() | BotoCoreError():
            return Kind.INVALID
        case _:
            return Kind.UNAVAILABLE
