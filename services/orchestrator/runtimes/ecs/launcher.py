"""Launches one task: context, secrets, definition, RunTask, in this order. No number of repetitions makes two tasks.

Three nets, one below the other (ADR 17): the token with the same parameters; ConflictException, which names the task
that has the token; and, before a launch that may have been made before, a look for what it started.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import structlog

from services.orchestrator.ports import LaunchFailed, LaunchUnsettled, TaskSpec
from services.orchestrator.runtimes import context
from services.orchestrator.runtimes.ecs import refusal
from services.orchestrator.runtimes.ecs.definition import Definition, definition_of
from services.orchestrator.runtimes.ecs.options import EcsOptions
from services.orchestrator.runtimes.ecs.order import order_for
from services.orchestrator.runtimes.ecs.secrets import Secrets
from services.orchestrator.runtimes.ecs.sizes import LARGEST, size_for
from services.orchestrator.runtimes.ecs.task import EcsTask
from shared.aws.connect import Aws
from shared.aws.ecs import Ecs
from shared.aws.failures import AwsError, Kind
from shared.aws.objects import Objects
from shared.aws.signing import presign
from shared.clock import Clock
from shared.domain.failure import FailureCode

if TYPE_CHECKING:
    from types_boto3_ecs.type_defs import TaskTypeDef

log = structlog.get_logger()

SIGNED_ALIKE: Final = timedelta(minutes=15)
"""So long after the intent, a repeated launch signs its links as of the intent."""
SLACK_S: Final = 3600
"""How much longer the links live than the task should."""
PAGES: Final = 3


class Launching(NamedTuple):
    """The task, and what ECS said of it."""

    task: EcsTask
    answer: Mapping[str, Any]


class Launcher:
    """Starts tasks in one cluster."""

    def __init__(
        self, aws: Aws, ecs: Ecs, objects: Objects, secrets: Secrets, options: EcsOptions, clock: Clock
    ) -> None:
        self._aws = aws
        self._ecs = ecs
        self._objects = objects
        self._secrets = secrets
        self._options = options
        self._clock = clock
        self._registered: set[str] = set()

    async def launch(self, spec: TaskSpec) -> Launching:
        """Starts the task or finds it. Raises LaunchFailed or LaunchUnsettled."""
        task = EcsTask.planned(spec, self._options, self._clock.now())
        try:
            return await self._launch(spec, task)
        except AwsError as error:
            raise refusal.of_error(error) from error

    async def _launch(self, spec: TaskSpec, task: EcsTask) -> Launching:
        if spec.repeated and (found := await self._running(task)):
            return found
        definition = await self._definition(spec)
        if spec.repeated and (found := await self._stopped(task, definition.family)):
            return found
        body = context.whole(spec)
        await self._objects.put(task.context_key, body)
        environment = await self._environment(spec, task, hashlib.sha256(body).hexdigest())
        order = order_for(task, definition.family, environment, self._options)
        await self._register(definition)
        try:
            started = await self._ecs.run(**order)
        except AwsError as error:
            return await self._after(error, task, definition, order)
        if started.task is None:
            raise refusal.of_refusals(started.refusals)
        return _launching(task, started.task)

    async def _after(
        self, error: AwsError, task: EcsTask, definition: Definition, order: Mapping[str, Any]
    ) -> Launching:
        if error.kind is Kind.CONFLICT:
            # The token is taken by a launch of ours that differed, by the credentials that signed its links.
            if error.resources:
                return await self._taken(task, error.resources[0])
            if found := await self._running(task):
                return found
        elif error.kind in {Kind.INVALID, Kind.NOT_FOUND} and "definition" in error.message.lower():
            # Somebody has deregistered it since we looked.
            self._registered.discard(definition.family)
            await self._register(definition)
            started = await self._ecs.run(**order)
            if started.task is not None:
                return _launching(task, started.task)
            raise refusal.of_refusals(started.refusals)
        raise error

    # -- what an earlier launch may have led to

    async def _running(self, task: EcsTask) -> Launching | None:
        """The task that this launch started before, if it has not been told to stop."""
        arns = await self._ecs.started_by(task.started_by)
        if not arns:
            return None
        if len(arns) > 1:  # an emulator without tokens; the sweep stops the others
            log.warning("more_than_one_task", test_id=task.test_id, attempt=task.attempt, tasks=list(arns))
        return await self._taken(task, min(arns))

    async def _stopped(self, task: EcsTask, family: str) -> Launching | None:
        """The task that this launch started before, if it has stopped already: among the last ones of the family."""
        page = ""
        for _ in range(PAGES):
            arns, page = await self._ecs.stopped_of_family(family, page)
            if arns:
                looked = await self._ecs.look(arns)
                for found in looked.tasks:
                    if found.get("startedBy") == task.started_by:
                        return _launching(task, found)
            if not page:
                break
        return None

    async def _taken(self, task: EcsTask, arn: str) -> Launching:
        log.info("task_found_again", test_id=task.test_id, attempt=task.attempt, task=arn)
        looked = await self._ecs.look([arn])
        return Launching(replace(task, arn=arn), looked.tasks[0] if looked.tasks else {"taskArn": arn})

    # -- what the task needs

    async def _definition(self, spec: TaskSpec) -> Definition:
        size = size_for(spec.cpu, spec.memory_mib)
        if size is None:
            raise LaunchFailed(
                FailureCode.TASK_START_FAILED,
                f"Fargate has no task with {spec.cpu:g} vCPU and {spec.memory_mib} MiB; the largest has {LARGEST}.",
            )
        if spec.allow_hosts:
            raise LaunchFailed(
                FailureCode.HOST_NOT_ALLOWED,
                f"Here tests run on ECS, where subnets and security groups decide what they reach, not a test: it asks "
                f"for {', '.join(spec.allow_hosts)}.",
            )
        secrets = await self._secrets.resolve(spec.secret_refs or {}, spec.user_id)
        return definition_of(size, secrets, self._options)

    async def _register(self, definition: Definition) -> None:
        """Sees to it that the family can be run. Two replicas that do so at once make two revisions of the same
        content: RunTask names the family and takes the newest, so nobody need agree on one."""
        if definition.family in self._registered:
            return
        if not await self._ecs.has_definition(definition.family):
            await self._ecs.register(definition.fields)
            log.info("task_definition_registered", family=definition.family)
        self._registered.add(definition.family)

    async def _environment(self, spec: TaskSpec, task: EcsTask, digest: str) -> dict[str, str]:
        """What the harness is told: two links and a checksum."""
        at = self._signed_at(spec)
        lives = int(self._options.start_timeout_s) + spec.timeout_s + SLACK_S
        signer = await self._aws.signer()
        if signer.until is not None and signer.until < at + timedelta(seconds=lives - SLACK_S):
            log.warning(
                "links_end_early",
                test_id=spec.test_id,
                until=signer.until.isoformat(),
                why="the session of the orchestrator's role ends before the test may",
            )
        seen_at = self._options.objects_url
        return {
            "ASSAY_CONTEXT_URL": presign(
                "GET",
                self._objects.address(task.context_key, seen_at=seen_at),
                signer,
                region=self._options.region,
                at=at,
                expires_s=lives,
            ),
            "ASSAY_CONTEXT_SHA256": digest,
            "ASSAY_RESULT_URL": presign(
                "PUT",
                self._objects.address(task.result_key, seen_at=seen_at),
                signer,
                region=self._options.region,
                at=at,
                expires_s=lives,
            ),
        }

    def _signed_at(self, spec: TaskSpec) -> datetime:
        now = self._clock.now()
        if spec.begun_at is not None and now - spec.begun_at < SIGNED_ALIKE:
            return spec.begun_at
        return now


def _launching(task: EcsTask, answer: TaskTypeDef) -> Launching:
    arn = answer.get("taskArn", "")
    if not arn:
        raise LaunchUnsettled(FailureCode.TASK_START_FAILED, "ECS answered with a task that has no ARN.")
    return Launching(replace(task, arn=arn), answer)
