"""`assay submit`: an agent and a query become a test, followed to its end if wanted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assay.cli import arguments
from assay.cli.jsontext import json_text
from assay.cli.options import FollowJson

if TYPE_CHECKING:
    from assay.client import AsyncAssay
    from assay.requests import SubmitOptions


def submit(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Python file with the agent.")],
    query: Annotated[
        str,
        typer.Option("--query", "-q", metavar="TEXT", help="What to ask; `-` reads standard input, `@FILE` a file."),
    ],
    requirements: Annotated[
        Path | None,
        typer.Option("--requirements", "-r", metavar="FILE", help="requirements.txt: names and versions."),
    ] = None,
    entrypoint: Annotated[
        str,
        typer.Option(
            "--entrypoint", "-e", metavar="MODULE:NAME", help="What is called. Else run, main, handle, invoke or agent."
        ),
    ] = "",
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
    label: Annotated[list[str] | None, typer.Option("--label", "-l", metavar="K=V", help="To find it by.")] = None,
    env: Annotated[
        list[str] | None, typer.Option("--env", metavar="K=V", help="Environment of the agent; K alone: as it is here.")
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
    request_id: Annotated[str, typer.Option(metavar="ID", help="Said twice, there is still one test.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything, make nothing.")] = False,
    as_json: FollowJson = False,
) -> None:
    """Submit an agent for a test."""
    from assay.cli.session import run
    from assay.requests import agent_name_of, requirement_lines
    from assay.tests import Model

    code = arguments.read_text(file)
    options: SubmitOptions = {
        "requirements": requirement_lines(arguments.read_text(requirements)) if requirements else [],
        "entrypoint": entrypoint,
        "network": not no_network,
        "labels": arguments.pairs(label or (), "--label"),
        "env": arguments.environment(env or ()),
        "secret_refs": arguments.pairs(secret or (), "--secret"),
        "name": name,
        "agent_name": agent or agent_name_of(file),
        "dockerfile": arguments.read_text(dockerfile) if dockerfile else "",
        "request_id": request_id,
        "validate_only": dry_run,
    }
    if model or model_url or region:
        parsed = Model.parse(model)
        options["model"] = Model(parsed.provider, parsed.model_id, model_url, region)
    if timeout:
        options["timeout"] = arguments.seconds(timeout)
    if memory:
        options["memory_mib"] = arguments.mebibytes(memory)
    if cpu is not None:
        options["cpu"] = cpu
    if priority is not None:
        options["priority"] = priority
    asked = arguments.query(query)

    async def body(client: AsyncAssay) -> int:
        return await _submit(client, code, asked, options, follow=follow, as_json=as_json)

    run(context, body, as_json=as_json)


async def _submit(
    client: AsyncAssay, code: str, query: str, options: SubmitOptions, *, follow: bool, as_json: bool
) -> int:
    from assay.cli.follow import JsonTeller, StoryTeller, follow_test
    from assay.cli.session import PASSED

    test = await client.submit(code, query, **options)
    if options.get("validate_only"):
        print(json_text({"valid": True}) if as_json else "valid: nothing was submitted")
        return PASSED
    if follow:
        return await follow_test(client, test.id, JsonTeller() if as_json else StoryTeller(), submitted=test)
    print(json_text(test.to_dict()) if as_json else test.id)
    return PASSED
