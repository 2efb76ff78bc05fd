"""Which runtime the settings ask for."""

from __future__ import annotations

from services.orchestrator.ports import Runtime
from services.orchestrator.runtimes.options import Isolation, ProcessOptions
from services.orchestrator.runtimes.process import ProcessRuntime
from services.orchestrator.runtimes.scripted import ScriptedRuntime
from services.orchestrator.settings import OrchestratorSettings
from shared.clock import Clock


async def open_runtime(settings: OrchestratorSettings, clock: Clock) -> Runtime:
    """The runtime, ready to launch. Raises Unfit where this machine cannot do what the settings demand."""
    if settings.runtime == "scripted":
        return ScriptedRuntime(clock)
    return await ProcessRuntime.open(
        ProcessOptions(
            root=settings.process_root.absolute(),
            isolation=Isolation(settings.process_isolation),
            processes=settings.process_max_processes,
            cpu_quota=settings.process_cpu_quota,
            build_memory_mib=settings.process_build_memory_mib,
            build_timeout_s=settings.process_build_timeout_s,
            build_env=settings.process_build_env,
        )
    )
