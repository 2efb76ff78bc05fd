"""Opens the ecs runtime as the settings ask for. Loading this module loads boto3."""

from __future__ import annotations

from services.orchestrator.runtimes.ecs.options import EcsOptions
from services.orchestrator.runtimes.ecs.runtime import EcsRuntime
from services.orchestrator.settings import OrchestratorSettings
from shared.aws.connect import Aws
from shared.clock import Clock


async def open_ecs(settings: OrchestratorSettings, clock: Clock) -> EcsRuntime:
    """The runtime, ready to launch. Raises NotConfigured, NotReady, and AwsError where boto3 cannot be configured."""
    options = EcsOptions.of(settings)
    aws = await Aws.open(settings)
    try:
        return await EcsRuntime.open(aws, options, clock)
    except BaseException:
        aws.close()
        raise
