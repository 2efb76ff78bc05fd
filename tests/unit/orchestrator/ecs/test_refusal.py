"""Why ECS did not start a task, in the words it uses; what becomes of the launch, and what the operator is told."""

from __future__ import annotations

import pytest
from botocore.exceptions import (
    ClientError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
)

from services.orchestrator.ports import LaunchFailed, LaunchUnsettled
from services.orchestrator.runtimes.ecs.refusal import of_error, of_refusals
from shared.aws.failures import classify

AGAIN, NEVER = LaunchUnsettled, LaunchFailed


def said(code: str, message: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "RunTask")


@pytest.mark.parametrize(
    ("error", "kind", "code", "advice"),
    [
        (said("ThrottlingException", "Rate exceeded"), AGAIN, "THROTTLED", "no more calls"),
        (
            said("InvalidParameterException", "Unable to assume role and validate the request: Rate exceeded"),
            AGAIN,
            "THROTTLED",
            "no more calls",
        ),
        (said("ServerException", "Service Unavailable"), AGAIN, "TASK_START_FAILED", "did not answer"),
        (ReadTimeoutError(endpoint_url="https://ecs"), AGAIN, "TASK_START_FAILED", "did not answer"),
        (EndpointConnectionError(endpoint_url="https://ecs.nowhere-1"), AGAIN, "TASK_START_FAILED", "did not answer"),
        (
            said("ClientException", "Capacity is unavailable at this time. Please try again later"),
            AGAIN,
            "CAPACITY_UNAVAILABLE",
            "ASSAY_ECS_SUBNETS",
        ),
        (
            said("ClientException", "You've reached the limit on the number of vCPUs you can run concurrently"),
            AGAIN,
            "CAPACITY_UNAVAILABLE",
            "quota",
        ),
        (said("ClusterNotFoundException", "Cluster not found."), NEVER, "TASK_START_FAILED", "ASSAY_ECS_CLUSTER"),
        (
            said("ExpiredTokenException", "The security token included in the request is expired"),
            NEVER,
            "CREDENTIALS_INVALID",
            "renew the AWS credentials",
        ),
        (NoCredentialsError(), NEVER, "CREDENTIALS_INVALID", "renew the AWS credentials"),
        (
            said("AccessDeniedException", "User: arn:x is not authorized to perform: ecs:RunTask on resource: y"),
            NEVER,
            "CREDENTIALS_INVALID",
            "run-on-ecs.md",
        ),
        (
            said("InvalidParameterException", "Error retrieving subnet information for [subnet-9]: The subnet ID "
                 "'subnet-9' does not exist"),
            NEVER,
            "TASK_START_FAILED",
            "ASSAY_ECS_SUBNETS",
        ),
        (
            said("InvalidParameterException", "Error retrieving security group information for [sg-9]"),
            NEVER,
            "TASK_START_FAILED",
            "ASSAY_ECS_SECURITY_GROUPS",
        ),
        (
            said("ClientException", "ECS was unable to assume the role 'arn:aws:iam::1:role/x' that was provided"),
            NEVER,
            "CREDENTIALS_INVALID",
            "ASSAY_ECS_EXECUTION_ROLE_ARN",
        ),
        (
            said("InvalidParameterException", "The specified capacity provider 'FARGATE_SPOT' was not found."),
            NEVER,
            "TASK_START_FAILED",
            "ASSAY_ECS_CAPACITY_PROVIDER",
        ),
        (said("InvalidParameterException", "Something new"), NEVER, "TASK_START_FAILED", "Something new"),
        (said("NoSuchBucket", "The specified bucket does not exist"), NEVER, "TASK_START_FAILED", "ASSAY_AWS_BUCKET"),
    ],
)  # fmt: skip
def test_an_error_becomes_a_failure_that_says_what_to_do(
    error: Exception, kind: type[Exception], code: str, advice: str
) -> None:
    refusal = of_error(classify(error, "RunTask"))
    assert isinstance(refusal, kind)
    assert refusal.code == code
    assert advice in str(refusal)
    assert "AWS says: RunTask: " in str(refusal)


@pytest.mark.parametrize(
    ("reasons", "kind", "code"),
    [
        (["Capacity is unavailable at this time."], AGAIN, "CAPACITY_UNAVAILABLE"),
        (["RESOURCE:ENI"], AGAIN, "CAPACITY_UNAVAILABLE"),
        (["RESOURCE:MEMORY"], AGAIN, "CAPACITY_UNAVAILABLE"),
        (["No Container Instances were found in your cluster."], AGAIN, "CAPACITY_UNAVAILABLE"),
        (["InsufficientFreeAddressesInSubnet"], AGAIN, "CAPACITY_UNAVAILABLE"),
        (["ATTRIBUTE: ecs.capability.x"], NEVER, "TASK_START_FAILED"),
        ([], NEVER, "TASK_START_FAILED"),
    ],
)
def test_failures_without_an_error_are_failures_too(reasons: list[str], kind: type[Exception], code: str) -> None:
    refusal = of_refusals(reasons)
    assert isinstance(refusal, kind)
    assert refusal.code == code
