"""From a stored test to the bytes of its package: which facts its content is made of."""

from __future__ import annotations

import re
from functools import partial

from services.packager.archive import write_archive
from services.packager.content import ModelFacts, Options, Outcome, PackageFacts, contents, service_name
from services.packager.content.provenance import Sign
from services.packager.ports import HandedIn, Press, Pressed, Sink
from shared.store.documents import EntryPoint, Execution
from shared.store.package_documents import Package, PackageFile
from shared.version import assay_version


def pressing(sign: Sign | None) -> Press:
    """Makes packages that are signed, or not."""
    return partial(press, sign=sign)


def press(test: Execution, package: Package, sink: Sink, handed_in: HandedIn, *, sign: Sign | None = None) -> Pressed:
    """Writes the package of this test to `sink`."""
    facts = facts_of(test, package, handed_in)
    summary = write_archive(contents(facts), facts, sink, sign)
    return Pressed(
        size=summary.size,
        sha256=summary.sha256,
        content_hash=summary.content_hash,
        service_name=service_name(facts),
        files=[PackageFile(path=file.path, size=file.size, sha256=file.sha256) for file in summary.files],
    )


def facts_of(test: Execution, package: Package, handed_in: HandedIn) -> PackageFacts:
    """What is known of the test. Of its environment only the names: a value may be a secret."""
    given, result = test.input, test.result
    optional = {}
    if result and (python := re.match(r"\d+\.\d+", result.python)):
        optional["python_version"] = python[0]
    model = given.model
    listed = given.project.files if given.project else []
    return PackageFacts(
        test_id=test.id,
        agent_id=test.agent_id,
        agent_name=test.agent_name,
        agent_code=given.agent_code,
        query=given.query,
        submitted=test.times.submitted,
        finished=test.times.finished or test.times.submitted,
        assay_version=assay_version(),
        **optional,
        requirements=tuple(given.requirements),
        resolved=tuple(result.resolved) if result else (),
        built_from_source=tuple(result.built_from_source) if result else (),
        system_packages=tuple(given.system_packages),
        agent_path=given.agent_path,
        project=handed_in.project,
        executables=frozenset(file.path for file in listed if file.executable),
        inputs=handed_in.inputs,
        leaves_files=bool(test.output_files),
        dockerfile=given.dockerfile,
        entrypoint=given.entrypoint,
        without_query=given.without_query,
        called=called(result.entry) if result and result.entry else "",
        env_names=tuple(sorted(given.env)),
        secret_names=tuple(sorted(given.secret_refs)),
        model=ModelFacts(model.provider, model.model_id, model.base_url, model.region) if model else None,
        cpu=given.resources.cpu,
        memory_mib=given.resources.memory_mib,
        network=given.network,
        timeout_s=given.timeout_s,
        outcome=_outcome(test),
        options=Options(
            package.options.service_name,
            package.options.port,
            package.options.load_balancer,
            package.options.vpc_id,
        ),
    )


def called(entry: EntryPoint) -> str:
    """`run(task=query)` of `agent:run`; a script is named by how it is run."""
    return entry.call if entry.kind == "script" or not entry.name else f"{entry.call} of {entry.name}"


def _outcome(test: Execution) -> Outcome:
    if test.result is None:
        return Outcome()
    metrics, usage = test.result.metrics, test.result.usage
    return Outcome(
        success=test.result.success,
        run_ms=metrics.run_ms,
        build_ms=metrics.build_ms,
        peak_memory_bytes=metrics.peak_memory_bytes,
        input_tokens=usage.input_tokens if usage else None,
        output_tokens=usage.output_tokens if usage else None,
    )
