"""An account of AWS as an operator prepares it for Assay, in the emulator; and what only the account can see."""

from __future__ import annotations

import contextlib
import json
import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import boto3

from tests.support.emulator import REGION, Emulator

if TYPE_CHECKING:
    from types_boto3_ecs.type_defs import TaskTypeDef

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
"""The emulator lets everybody in."""
ROLE = "arn:aws:iam::000000000000:role/assay"


class Cloud:
    """One cluster, one bucket and one log group, which no other test has."""

    def __init__(self, emulator: Emulator) -> None:
        self.emulator = emulator
        name = f"assay-{uuid.uuid4().hex[:8]}"
        self.cluster = self.bucket = name
        self.log_group = f"/assay/{name}"
        account = boto3.Session(
            region_name=REGION,
            aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        )
        self.ecs = account.client("ecs", endpoint_url=emulator.url)
        self.s3 = account.client("s3", endpoint_url=emulator.url)
        self.logs = account.client("logs", endpoint_url=emulator.url)
        self.secrets = account.client("secretsmanager", endpoint_url=emulator.url)
        self.prepare()

    def prepare(self) -> None:
        """Makes what an operator has to make; again where a killed emulator has forgotten it."""
        self.ecs.create_cluster(clusterName=self.cluster)
        if self.bucket not in {bucket["Name"] for bucket in self.s3.list_buckets()["Buckets"]}:
            self.s3.create_bucket(Bucket=self.bucket)
        with contextlib.suppress(self.logs.exceptions.ResourceAlreadyExistsException):
            self.logs.create_log_group(logGroupName=self.log_group)

    def settings(self, image: str) -> dict[str, str]:
        """For a fleet that works in it."""
        return {
            **CREDENTIALS,
            "ASSAY_RUNTIME": "ecs",
            "ASSAY_AWS_ENDPOINT_URL": self.emulator.url,
            "ASSAY_AWS_REGION": REGION,
            "ASSAY_AWS_BUCKET": self.bucket,
            "ASSAY_AWS_LOG_GROUP": self.log_group,
            "ASSAY_ECS_CLUSTER": self.cluster,
            "ASSAY_ECS_SUBNETS": "subnet-1",
            "ASSAY_ECS_IMAGE": image,
            "ASSAY_ECS_EXECUTION_ROLE_ARN": ROLE,
            "ASSAY_ECS_TASK_ROLE_ARN": ROLE,
        }

    def secret(self, name: str, value: str) -> str:
        """The ARN of a secret with this value."""
        arn: str = self.secrets.create_secret(Name=name, SecretString=value)["ARN"]
        return arn

    def tasks(self, test_id: str = "") -> list[TaskTypeDef]:
        """All tasks that the cluster ever had, or those of one test, whatever became of them."""
        wanted: tuple[Literal["RUNNING", "STOPPED"], ...] = ("RUNNING", "STOPPED")
        pages = self.ecs.get_paginator("list_tasks")
        arns = [
            arn
            for desired in wanted
            for page in pages.paginate(cluster=self.cluster, desiredStatus=desired)
            for arn in page["taskArns"]
        ]
        found: list[TaskTypeDef] = []
        for start in range(0, len(arns), 100):
            found += self.ecs.describe_tasks(cluster=self.cluster, tasks=arns[start : start + 100])["tasks"]
        return [task for task in found if test_id in task.get("startedBy", "")]

    def running(self, test_id: str = "") -> list[TaskTypeDef]:
        return [task for task in self.tasks(test_id) if task["lastStatus"] != "STOPPED"]

    def stop(self, task: TaskTypeDef, reason: str) -> None:
        """As somebody with the console does."""
        self.ecs.stop_task(cluster=self.cluster, task=task["taskArn"], reason=reason)

    def containers(self, test_id: str = "") -> list[str]:
        """The engine's containers of tasks of this cluster that run."""
        of_cluster = f"label=com.amazonaws.ecs.cluster=arn:aws:ecs:{REGION}:000000000000:cluster/{self.cluster}"
        listed = self.emulator.engine.run("ps", "--no-trunc", "--format", "{{json .}}", "--filter", of_cluster).stdout
        found = [json.loads(line) for line in listed.splitlines()]
        arns = {task["taskArn"] for task in self.tasks(test_id)} if test_id else None
        return [one["ID"] for one in found if arns is None or any(arn in one["Labels"] for arn in arns)]

    def objects(self, part: str = "") -> Sequence[str]:
        """The keys in the bucket that have this in them."""
        listed = self.s3.list_objects_v2(Bucket=self.bucket).get("Contents", [])
        return [each["Key"] for each in listed if part in each["Key"]]

    def everything_logged(self) -> list[str]:
        """All that tasks of this account wrote, raw."""
        pages = self.logs.get_paginator("describe_log_streams").paginate(logGroupName=self.log_group)
        streams = [stream["logStreamName"] for page in pages for stream in page["logStreams"]]
        return [
            event["message"]
            for stream in streams
            for event in self.logs.get_log_events(
                logGroupName=self.log_group, logStreamName=stream, startFromHead=True
            )["events"]
        ]
