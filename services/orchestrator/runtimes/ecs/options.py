"""What the ecs runtime must be told, taken from the settings and checked in one go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from services.orchestrator.runtimes.ecs.pace import Pace
from services.orchestrator.settings import OrchestratorSettings
from shared.errors import AssayError

_REQUIRED: Final = {
    "ecs_cluster": "name or ARN of the cluster",
    "ecs_subnets": "ids of the subnets, separated by commas",
    "ecs_image": "image built from deploy/docker/runner.Dockerfile",
    "ecs_execution_role_arn": "role that pulls the image, writes logs and reads secrets",
    "aws_bucket": "S3 bucket of contexts and results",
}


class NotConfigured(AssayError):
    """The ecs runtime lacks settings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EcsOptions:
    """How tasks run on ECS. The orchestrator's settings carry the same names."""

    cluster: str
    subnets: tuple[str, ...]
    image: str
    execution_role: str
    region: str
    bucket: str
    prefix: str = ""
    security_groups: tuple[str, ...] = ()
    public_ip: bool = False
    task_role: str = ""
    spot: bool = False
    platform_version: str = "LATEST"
    architecture: str = "X86_64"
    stop_timeout_s: int = 30
    start_timeout_s: float = 600.0
    deployment: str = "assay"
    secret_prefix: str = "assay/"  # noqa: S105 - how the names of secrets begin
    readonly_root: bool = True
    events_queue_url: str = ""
    objects_url: str = ""
    log_group: str = "/assay/tests"
    log_retention_days: int = 14
    pace: Pace | None = None
    """How often tasks are looked at; None for what suits AWS."""

    @property
    def group(self) -> str:
        """What RunTask is given as the tasks' group: says whose they are where several share a cluster."""
        return f"assay:{self.deployment}"

    @classmethod
    def of(cls, settings: OrchestratorSettings) -> EcsOptions:
        """Raises NotConfigured with the name of every variable that is missing."""
        missing = [
            f"ASSAY_{name.upper()} ({meaning})"
            for name, meaning in _REQUIRED.items()
            if not str(getattr(settings, name)).strip(" ,")
        ]
        if missing:
            raise NotConfigured(f"The ecs runtime needs {', '.join(missing)}. See docs/howto/run-on-ecs.md.")
        return cls(
            cluster=settings.ecs_cluster,
            subnets=_list(settings.ecs_subnets),
            image=settings.ecs_image,
            execution_role=settings.ecs_execution_role_arn,
            region=settings.aws_region,
            bucket=settings.aws_bucket,
            prefix=settings.aws_prefix,
            security_groups=_list(settings.ecs_security_groups),
            public_ip=settings.ecs_assign_public_ip,
            task_role=settings.ecs_task_role_arn,
            spot=settings.ecs_capacity_provider == "FARGATE_SPOT",
            platform_version=settings.ecs_platform_version,
            architecture=settings.ecs_cpu_architecture,
            stop_timeout_s=settings.ecs_stop_timeout_s,
            start_timeout_s=settings.ecs_start_timeout_s,
            deployment=settings.ecs_deployment,
            secret_prefix=settings.ecs_secret_prefix,
            readonly_root=settings.ecs_readonly_root,
            events_queue_url=settings.ecs_events_queue_url,
            objects_url=settings.ecs_objects_url,
            log_group=settings.aws_log_group,
            log_retention_days=settings.aws_log_retention_days,
        )


def _list(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())
