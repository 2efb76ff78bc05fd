"""Which runtime the settings ask for."""

from __future__ import annotations

import os

from services.orchestrator.ports import Runtime
from services.orchestrator.runtimes.egress.urls import of_urls
from services.orchestrator.runtimes.operator_secrets import OperatorSecrets, variables_in
from services.orchestrator.runtimes.options import Isolation, NetworkMode, ProcessOptions
from services.orchestrator.runtimes.process import ProcessRuntime
from services.orchestrator.runtimes.scripted import ScriptedRuntime
from services.orchestrator.settings import OrchestratorSettings
from shared.clock import Clock
from shared.domain.destinations import parse_all


async def open_runtime(settings: OrchestratorSettings, clock: Clock) -> Runtime:
    """The runtime, ready to launch. Raises Unfit where this machine cannot do what the settings demand."""
    if settings.runtime == "scripted":
        return ScriptedRuntime(clock)
    if settings.runtime == "ecs":
        # Not above: boto3 takes 25 MiB and a third of a second, and only this runtime needs it.
        from services.orchestrator.runtimes.ecs.choice import open_ecs

        return await open_ecs(settings, clock)
    return await ProcessRuntime.open(
        ProcessOptions(
            root=settings.process_root.absolute(),
            isolation=Isolation(settings.process_isolation),
            cgroups=settings.process_cgroups,
            processes=settings.process_max_processes,
            open_files=settings.process_open_files,
            network=NetworkMode(settings.process_network),
            egress_allow=parse_all(settings.process_egress_allow),
            allow_hosts=(*parse_all(settings.process_allow_hosts), *of_urls([settings.default_model_base_url])),
            nice=settings.process_nice,
            uid_base=settings.process_uid_base,
            uid_count=settings.process_uid_count,
            cpu_quota=settings.process_cpu_quota,
            build_memory_mib=settings.process_build_memory_mib,
            build_timeout_s=settings.process_build_timeout_s,
            build_disk_mib=settings.process_build_disk_mib,
            build_processes=settings.process_build_processes,
            build_env=settings.process_build_env,
            keep_outputs_s=settings.process_keep_outputs_s,
            keep_environments_s=settings.process_keep_environments_s,
            interpreter=settings.process_interpreter,
            secrets=OperatorSecrets(
                folder=settings.process_secrets_dir,
                variables=variables_in(os.environ, settings.process_secrets_env_prefix),
                prefixes=tuple(prefix.strip() for prefix in settings.process_secret_prefixes.split(",")),
            ),
        )
    )
