"""What is looked at before the first task: cluster, bucket, log group. What is wrong is said at the start of the
service, in words an operator can act on, and not by the first test."""

from __future__ import annotations

import structlog

from services.orchestrator.runtimes.ecs.options import EcsOptions
from shared.aws.connect import Aws
from shared.aws.ecs import Ecs
from shared.aws.failures import AwsError, Kind
from shared.aws.groups import ensure_group
from shared.aws.objects import Objects
from shared.errors import AssayError

log = structlog.get_logger()

KEPT_DAYS = 2
"""After so long S3 itself deletes contexts and results: the net below `cleanup`."""


class NotReady(AssayError):
    """AWS is not set up for the ecs runtime."""


async def check(aws: Aws, ecs: Ecs, objects: Objects, options: EcsOptions) -> None:
    """Raises NotReady with what to do."""
    try:
        await ecs.check()
    except AwsError as error:
        raise _not_ready(error, "ASSAY_ECS_CLUSTER", options) from error
    try:
        await objects.check()
    except AwsError as error:
        raise _not_ready(error, "ASSAY_AWS_BUCKET", options) from error
    await ensure_logs(aws, options)
    try:
        days = {f"{options.prefix}{folder}/": KEPT_DAYS for folder in ("contexts", "results")}
        await objects.expire(days, name="assay-tasks")
    except AwsError as error:
        log.warning("lifecycle_not_set", bucket=options.bucket, error=str(error))


async def ensure_logs(aws: Aws, options: EcsOptions) -> None:
    """Makes the log group, with its retention, where it is not there and we may. Without it no task can start."""
    try:
        if await ensure_group(aws, options.log_group, days=options.log_retention_days):
            log.info("log_group_created", group=options.log_group, days=options.log_retention_days)
    except AwsError as error:
        if error.kind is Kind.DENIED:
            log.warning("log_group_not_checked", group=options.log_group, error=str(error))
            return
        raise _not_ready(error, "ASSAY_AWS_LOG_GROUP", options) from error


def _not_ready(error: AwsError, variable: str, options: EcsOptions) -> NotReady:
    advice = {
        Kind.CREDENTIALS: "The AWS credentials of the orchestrator are missing, expired or not valid: renew them.",
        Kind.DENIED: "The orchestrator's role may not do this: see docs/howto/run-on-ecs.md for its policy.",
        Kind.NOT_FOUND: f"Check {variable} and ASSAY_AWS_REGION, which is {options.region}.",
        Kind.UNAVAILABLE: f"AWS cannot be reached: check ASSAY_AWS_REGION ({options.region}) and the network.",
    }.get(error.kind, f"Check {variable} and ASSAY_AWS_REGION, which is {options.region}.")
    return NotReady(f"The ecs runtime cannot start. {advice} AWS says: {error}")
