"""What is said at the start where AWS is not as the runtime needs it."""

from __future__ import annotations

import subprocess
import sys

import pytest
from botocore.exceptions import ClientError

from services.orchestrator.runtimes.ecs.checks import NotReady
from tests.support.fakes.scripted_ecs import Refused
from tests.support.scripted_aws import Scene, in_no_time

EXPIRED = Refused("ExpiredTokenException", "The security token included in the request is expired")
DENIED = Refused("AccessDeniedException", "User: arn:x is not authorized to perform: it")


@in_no_time
async def test_a_missing_cluster_is_named_with_its_region() -> None:
    with pytest.raises(NotReady, match=r"ASSAY_ECS_CLUSTER.*eu-central-1.*the cluster elsewhere is missing"):
        await Scene().open(cluster="elsewhere")


@pytest.mark.parametrize(
    ("operation", "error", "says"),
    [
        ("DescribeClusters", EXPIRED, "missing, expired or not valid: renew them"),
        ("DescribeClusters", DENIED, "docs/howto/run-on-ecs.md"),
        ("HeadBucket", Refused("404", "Not Found", 404), "Check ASSAY_AWS_BUCKET and ASSAY_AWS_REGION"),
        ("HeadBucket", Refused("403", "Forbidden", 403), "docs/howto/run-on-ecs.md"),
        ("CreateLogGroup", Refused("LimitExceededException", "limit"), "Check ASSAY_AWS_LOG_GROUP"),
    ],
)
@in_no_time
async def test_what_is_wrong_is_said_with_what_to_do(operation: str, error: Refused, says: str) -> None:
    scene = Scene()
    scene.cloud.fail(operation, error, times=100)
    with pytest.raises(NotReady, match="The ecs runtime cannot start") as found:
        await scene.open()
    assert says in str(found.value)
    assert isinstance(found.value.__cause__.__cause__, ClientError)  # type: ignore[union-attr]


@in_no_time
async def test_a_bucket_in_another_region_is_noticed_before_a_task_cannot_read_its_link() -> None:
    scene = Scene()
    scene.cloud.bucket_region = "us-west-2"
    with pytest.raises(NotReady, match="the bucket bucket is in us-west-2 and not in eu-central-1"):
        await scene.open()


@in_no_time
async def test_a_role_that_may_not_look_at_log_groups_or_set_a_lifecycle_can_still_run_tests() -> None:
    scene = Scene()
    scene.cloud.fail("DescribeLogGroups", DENIED, times=100)
    scene.cloud.fail("PutBucketLifecycleConfiguration", DENIED, times=100)
    async with scene.runtime() as runtime:
        await runtime.launch(scene.spec())


@pytest.mark.parametrize("module", ["services.orchestrator.app", "deploy.local.composition"])
def test_who_does_not_run_on_ecs_does_not_load_boto3(module: str) -> None:
    code = f"import sys, {module}; print(sorted(name for name in sys.modules if name in ('boto3', 'botocore')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
