"""From a stored test to what a runtime must know: a pure function, so that a repeated launch sends the same bytes."""

from __future__ import annotations

from services.orchestrator.outputs import OutputLimits
from services.orchestrator.ports import Bundle, LogLimits, TaskSpec
from shared.domain.logsequence import first_seq
from shared.domain.models import model_environment
from shared.ids import launch_token
from shared.store.documents import ArchiveRef, Execution, ModelSetting


def specification(
    test: Execution,
    *,
    default_model: ModelSetting | None = None,
    limits: OutputLimits | None = None,
    log_limits: LogLimits | None = None,
    repeated: bool = False,
) -> TaskSpec:
    """The spec of the test's current attempt. The test must have a task (its intent is stored first)."""
    assert test.task is not None
    given = test.input
    model = effective_model(given.model, default_model)
    return TaskSpec(
        test_id=test.id,
        attempt=test.attempt,
        user_id=test.user_id,
        launch_token=launch_token(test.id, test.attempt),
        nonce=test.task.nonce,
        agent_code=given.agent_code,
        query=given.query,
        without_query=given.without_query,
        strict_answer=given.strict_answer,
        project=_bundle(given.project),
        agent_path=given.agent_path,
        inputs=_bundle(given.inputs),
        output_files=(limits or OutputLimits()).files,
        output_bytes=(limits or OutputLimits()).size,
        log_limits=log_limits or LogLimits(),
        system_packages=tuple(given.system_packages),
        requirements=tuple(given.requirements),
        dockerfile=given.dockerfile,
        entrypoint=given.entrypoint or None,
        env={**model_variables(model), **given.env},
        timeout_s=given.timeout_s,
        cpu=given.resources.cpu,
        memory_mib=given.resources.memory_mib,
        network=given.network,
        allow_hosts=tuple(given.allow_hosts),
        model_url=model.base_url if model else "",
        first_seq=first_seq(test.attempt),
        secret_refs=dict(given.secret_refs),
        begun_at=test.times.build_started,
        repeated=repeated,
    )


def _bundle(archive: ArchiveRef | None) -> Bundle | None:
    return Bundle(archive.digest, tuple(archive.files)) if archive else None


def effective_model(given: ModelSetting | None, default: ModelSetting | None) -> ModelSetting | None:
    """What the test says; what it leaves open of the same provider is the operator's."""
    if given is None or default is None or given.provider != default.provider:
        return given or default
    named = {name: value for name, value in given.model_dump().items() if value}
    return default.model_copy(update=named)


def model_variables(model: ModelSetting | None) -> dict[str, str]:
    """The environment variables that tell an agent which model to use; the user's own of the same name win."""
    return model_environment(**model.model_dump()) if model else {}
