"""`assay submit`: an agent and a query become a test, followed to its end if wanted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli import arguments
from assay.cli.jsontext import json_text
from assay.cli.options import FollowJson

if TYPE_CHECKING:
    from assay.cli.handed_in import HandedIn
    from assay.client import AsyncAssay
    from assay.specification import Model
    from assay.submission import SubmitOptions


def submit(
    context: typer.Context,
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="PATH", help="The agent's file, and others that go with it; or a project's folder."),
    ],
    query: Annotated[
        str | None,
        typer.Option("--query", "-q", metavar="TEXT", help="What to ask; `-` reads standard input, `@FILE` a file."),
    ] = None,
    no_query: Annotated[bool, typer.Option("--no-query", help="Run the agent without a query.")] = False,
    requirements: Annotated[
        Path | None,
        typer.Option("--requirements", "-r", metavar="FILE", help="requirements.txt: names and versions."),
    ] = None,
    entrypoint: Annotated[
        str,
        typer.Option(
            "--entrypoint",
            "-e",
            metavar="MODULE:NAME",
            help="What is called, such as agent:run; __main__ runs the file as a script. Else what it plainly offers.",
        ),
    ] = "",
    include: Annotated[
        list[Path] | None,
        typer.Option("--include", metavar="PATH", help="A file or folder beside the agent's file that goes with it."),
    ] = None,
    agent_file: Annotated[
        str, typer.Option("--agent-file", metavar="FILE", help="Which file of a project is the agent's.")
    ] = "",
    alone: Annotated[
        bool, typer.Option("--alone", help="Send a single file although it imports others beside it.")
    ] = False,
    file: Annotated[
        list[str] | None,
        typer.Option(
            "--file",
            metavar="NAME=PATH",
            help="The agent finds it as /work/in/NAME; NAME may be left out.",
        ),
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Show phases, log and answer as they come.")] = False,
    model: Annotated[str, typer.Option(metavar="PROVIDER:MODEL", help="Such as ollama:llama3.2.")] = "",
    model_url: Annotated[str, typer.Option(metavar="URL", help="Address of the model provider.")] = "",
    region: Annotated[str, typer.Option(metavar="REGION", help="Region of the model provider.")] = "",
    timeout: Annotated[str, typer.Option(metavar="TIME", help="Limit of the run: 90, 90s, 5m, 1h.")] = "",
    memory: Annotated[str, typer.Option(metavar="SIZE", help="Limit of memory: 512 (MiB), 512m, 2g.")] = "",
    cpu: Annotated[
        float | None,
        typer.Option(metavar="VCPU", parser=arguments.number("--cpu"), help="Processor share, such as 0.5."),
    ] = None,
    no_network: Annotated[bool, typer.Option("--no-network", help="Run without network.")] = False,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-host", metavar="HOST:PORT", help="Reach it, too, if the operator permits: 127.0.0.1:11434."
        ),
    ] = None,
    label: Annotated[list[str] | None, typer.Option("--label", "-l", metavar="K=V", help="To find it by.")] = None,
    env: Annotated[
        list[str] | None, typer.Option("--env", metavar="K=V", help="Environment of the agent; K alone: as it is here.")
    ] = None,
    env_file: Annotated[
        list[Path] | None,
        typer.Option("--env-file", metavar="FILE", help="Environment of the agent from a .env file; --env wins."),
    ] = None,
    secret: Annotated[
        list[str] | None, typer.Option("--secret", metavar="K=REF", help="Environment from a stored secret.")
    ] = None,
    priority: Annotated[
        int | None,
        typer.Option(
            metavar="0-9", parser=arguments.whole("--priority", least=0, most=9), help="9 goes first; usual is 5."
        ),
    ] = None,
    name: Annotated[str, typer.Option(metavar="NAME", help="Name of the test.")] = "",
    agent: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="Name of the agent. Else that of the file, or of the folder around an agent.py."
        ),
    ] = "",
    dockerfile: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Goes with the agent into its package.")
    ] = None,
    system: Annotated[
        list[str] | None,
        typer.Option("--system", metavar="NAMES", help="Debian packages whose programs the agent needs, as git."),
    ] = None,
    strict_answer: Annotated[
        bool, typer.Option("--strict-answer", help="Fail when the answer is not plain JSON, instead of converting it.")
    ] = False,
    request_id: Annotated[str, typer.Option(metavar="ID", help="Said twice, there is still one test.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything, make nothing.")] = False,
    as_json: FollowJson = False,
) -> None:
    """Submit an agent for a test: a file, several files, or a folder."""
    from assay.cli.session import ERROR, run

    asked = _asked(query, no_query=no_query)
    options: SubmitOptions = {
        "entrypoint": entrypoint,
        "network": not no_network,
        "labels": arguments.pairs(label or (), "--label"),
        "env": {**arguments.env_files(env_file or ()), **arguments.environment(env or ())},
        "secret_refs": arguments.pairs(secret or (), "--secret"),
        "system_packages": arguments.names(system or ()),
        "allow_hosts": arguments.names(allow_host or ()),
        "strict_answer": strict_answer,
        "name": name,
        "dockerfile": arguments.read_text(dockerfile) if dockerfile else "",
        "request_id": request_id,
        "validate_only": dry_run,
    }
    if model or model_url or region:
        options["model"] = _model(model, model_url, region)
    if timeout:
        options["timeout"] = arguments.seconds(timeout)
    if memory:
        options["memory_mib"] = arguments.mebibytes(memory)
    if cpu is not None:
        options["cpu"] = cpu
    if priority is not None:
        options["priority"] = priority
    try:
        handed_in = _gather(
            paths,
            include=include or (),
            agent_file=agent_file,
            entrypoint=entrypoint,
            alone=alone,
            requirements=requirements,
            files=file or (),
            env_file=bool(env_file),
        )
    except (ValueError, OSError) as error:
        from assay.cli.complaint import complain

        complain(error, None, as_json=as_json)
        raise typer.Exit(ERROR) from error
    options["agent_name"] = agent or handed_in.agent_name

    async def body(client: AsyncAssay) -> int:
        return await _submit(client, handed_in, asked, options, follow=follow, as_json=as_json)

    run(context, body, as_json=as_json)


def _asked(query: str | None, *, no_query: bool) -> str | None:
    """A test without a query is one on purpose only: else it would pass and have measured nothing."""
    if query is None and not no_query:
        raise typer.BadParameter("say what to ask, or --no-query to run the agent without one", param_hint="--query")
    if query is not None and no_query:
        raise typer.BadParameter("--no-query was given, too: leave one of them out", param_hint="--query")
    return None if query is None else arguments.query(query)


def _model(model: str, url: str, region: str) -> Model:
    from assay.specification import Model

    parsed = Model.parse(model)
    return Model(parsed.provider, parsed.model_id, url, region)


def _gather(paths: list[Path], **chosen: Any) -> HandedIn:
    from assay.cli.handed_in import gather

    return gather(paths, **chosen)


async def _submit(
    client: AsyncAssay,
    handed_in: HandedIn,
    query: str | None,
    options: SubmitOptions,
    *,
    follow: bool,
    as_json: bool,
) -> int:
    from assay.cli import checked
    from assay.cli.follow import JsonTeller, StoryTeller, follow_test
    from assay.cli.session import PASSED
    from assay.errors import InvalidRequest

    dry_run = options.get("validate_only", False)
    options["requirements"] = handed_in.requirements.lines
    options["inputs"] = {file.path: file.data for file in handed_in.inputs.files}
    if not as_json:
        checked.tell_notes(handed_in, dry_run=dry_run)
    try:
        test = await client.submit(handed_in.agent, query, **options)
    except InvalidRequest as error:
        raise checked.with_the_largest(error, handed_in) from error
    if dry_run:
        return checked.outcome(handed_in, test, as_json=as_json)
    if not as_json:
        checked.tell_findings(test)
    if follow:
        return await follow_test(client, test.id, JsonTeller() if as_json else StoryTeller(), submitted=test)
    print(json_text(test.to_dict()) if as_json else test.id)
    return PASSED
