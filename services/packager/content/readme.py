"""README.md of a package: steps that work when they are typed as they stand.

Commands hold nothing of the user's but the service name, whose alphabet needs no quotes; the query is in query.json.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final
from urllib.parse import urlsplit

from services.packager.content.docker import base_image, port
from services.packager.content.environment import at_address, defaults, is_local, needed, workers
from services.packager.content.facts import PackageFacts, is_script
from services.packager.content.handed_in import AGENT, INPUTS, PROJECT, described
from services.packager.content.names import image_name, service_name
from services.packager.content.requirements import is_pinned
from services.packager.content.system import COMPILER, compiled, system_packages
from services.packager.content.text import code_span, markdown

CUSTOM: Final = "Dockerfile.custom"
_ASK: Final = "curl -fsS --retry 30 --retry-delay 1 --retry-all-errors http://127.0.0.1:{port}/healthz"
_QUERY: Final = "curl -fsS --data @query.json http://127.0.0.1:{port}/query"


def readme(facts: PackageFacts) -> bytes:
    """The whole of it."""
    sections = (
        _head(facts),
        _check(),
        _docker(facts),
        _compose(facts),
        _plain(facts),
        _aws(facts),
        _variables(facts),
        _answers(facts),
        _custom(facts),
        described(facts),
        _tested(facts),
        _files(facts),
    )
    return ("\n\n".join("\n".join(lines) for section in sections if (lines := list(section))) + "\n").encode()


def _head(facts: PackageFacts) -> Iterator[str]:
    yield f"# {markdown(facts.agent_name) or service_name(facts)}"
    yield ""
    yield (
        f"The agent of test `{facts.test_id}`, exactly as it was tested, as a service that answers queries over HTTP. "
        f"Made by Assay {facts.assay_version}."
    )


def _check() -> Iterator[str]:
    yield "## Check it"
    yield ""
    yield from _bash("sha256sum -c SHA256SUMS")
    yield ""
    yield (
        "`assay verify FILE.zip` does the same to the ZIP, and looks for what does not belong there; with "
        "`--key PUBLIC.pem` it checks who signed it."
    )


def _docker(facts: PackageFacts) -> Iterator[str]:
    name, listens = image_name(facts), port(facts)
    yield "## Run it with Docker"
    yield ""
    options = ["--read-only --cap-drop ALL"]
    yield from _fill_in(facts)
    if needed(facts):
        options.append("--env-file .env")
    if facts.model is not None and is_local(ollama := defaults(facts).get("OLLAMA_BASE_URL", "")):
        yield "Ollama is expected on this machine, on all its addresses. Docker Compose, below, brings its own."
        yield ""
        address = f"http://host.docker.internal:{urlsplit(ollama).port or 80}"
        options.append("--add-host host.docker.internal:host-gateway")
        options += [f"-e {name}={value}" for name, value in at_address(facts.model, address).items()]
    options.append(f"--memory {facts.memory_mib}m -p 127.0.0.1:{listens}:{listens}")
    yield from _bash(
        f"docker build -t {name} .",
        f"docker run -d --init --name {name} \\",
        *(f"  {option} \\" for option in options),
        f"  {name}",
        _ASK.format(port=listens),
        _QUERY.format(port=listens),
    )
    yield ""
    query = "no query, as in the test" if facts.without_query else "the query of the test"
    yield (
        f"`query.json` holds {query}. `docker logs {name}` shows what the agent prints. "
        f"`Dockerfile` builds on `{base_image(facts)}`; `--build-arg BASE_IMAGE=...` takes another image that has "
        "Python as `python3`."
    )
    if pins := compiled(facts):
        yield ""
        yield (
            f"In the test no wheel was there for {_listed(pins)}, so it was compiled. The build stage has a compiler "
            f"for that ({_listed(COMPILER)}). Where more is needed, such as the headers of a library, add its Debian "
            "packages to that line, and the library itself to the last stage."
        )
    if names := system_packages(facts):
        yield ""
        yield f"The image has the Debian packages that the agent was tested with: {_listed(names)}."
    yield ""
    yield from _bash(f"docker stop -t 30 {name}", f"docker rm {name}")


def _compose(facts: PackageFacts) -> Iterator[str]:
    listens = port(facts)
    yield "## Run it with Docker Compose"
    yield ""
    if facts.model is not None and facts.model.provider == "ollama":
        yield "An Ollama server comes along. It fetches the model on the first start, which may take minutes."
        yield ""
    yield from _fill_in(facts)
    yield from _bash("docker compose up -d --build", _ASK.format(port=listens), _QUERY.format(port=listens))
    yield ""
    yield from _bash("docker compose down")
    yield ""
    yield "Needs Docker Compose 2.24 or later. `PUBLISHED_PORT=9000 docker compose up ...` publishes another port."


def _plain(facts: PackageFacts) -> Iterator[str]:
    listens = port(facts)
    yield "## Run it without Docker"
    yield ""
    if pins := compiled(facts):
        yield (
            f"This needs a C compiler and the headers of Python, as no wheel was there for {_listed(pins)}. "
            f"On Debian: `apt-get install {' '.join(COMPILER)}`"
        )
        yield ""
    if names := system_packages(facts):
        yield f"The agent was tested with these programs. On Debian: `apt-get install {' '.join(names)}`"
        yield ""
    yield from _bash(
        "python3 -m venv .venv",
        ".venv/bin/pip install -r requirements.txt",
        f"PORT={listens} .venv/bin/python server.py &",
        _ASK.format(port=listens),
        _QUERY.format(port=listens),
        "kill %1",
    )


def _aws(facts: PackageFacts) -> Iterator[str]:
    name = image_name(facts)
    yield "## Deploy it on AWS"
    yield ""
    yield (
        "`cdk/` is an AWS CDK app in Python: a VPC or the one you name, an ECS service on Fargate that rolls back a "
        "deployment that does not come up, a log group, a task role that may call the model on Bedrock and nothing "
        "else. It needs Docker, Node.js, Python and credentials for AWS. All its values are in `cdk/config.json`."
    )
    yield ""
    if secrets := sorted(facts.secret_names):
        yield "Once, the secrets. Each command asks for the value:"
        yield ""
        yield from _bash(
            *(
                f"read -rs VALUE && aws secretsmanager create-secret --name {service_name(facts)}/{secret} "
                '--secret-string "$VALUE"'
                for secret in secrets
            )
        )
        yield ""
    plain = [variable for variable in needed(facts) if variable not in facts.secret_names]
    if plain or _has_local_model(facts):
        yield (
            "Fill in what is `null` under `environment` in `cdk/config.json`. A value that is a secret belongs under "
            '`secrets`: `"NAME": "its name in Secrets Manager"`, or `"its name#key"` for one key of a secret that is a '
            "JSON object."
        )
        yield ""
    yield from _bash(
        "cd cdk",
        "python3 -m venv .venv",
        ". .venv/bin/activate",
        "pip install -r requirements.txt",
        "npx aws-cdk@2 bootstrap",
        "npx aws-cdk@2 deploy",
    )
    yield ""
    yield "| `cdk/config.json` | Meaning |"
    yield "| --- | --- |"
    yield "| `vpc_id` | an existing VPC; empty makes a new one, with public subnets only (no NAT gateway to pay for) |"
    yield "| `load_balancer` | an application load balancer in front; the output `Url` is its address |"
    yield (
        "| `internet_facing` | whether it can be reached from anywhere, or only from inside the VPC. "
        "Set `API_TOKEN` and `certificate_arn` before you say `true` |"
    )
    yield "| `certificate_arn` | certificate of ACM: HTTPS on port 443 instead of HTTP on port 80 |"
    yield '| `allowed_cidrs` | who may reach the tasks directly, such as `["10.0.0.0/16"]`; nobody by default |'
    yield "| `cpu`, `memory_mib`, `cpu_architecture` | size of a task, `X86_64` or `ARM64` |"
    yield "| `desired_count` | tasks at work |"
    yield "| `image` | an image in a registry; empty builds this folder with `dockerfile` |"
    yield "| `health_command` | how ECS asks whether a task is well |"
    yield "| `environment`, `secrets` | variables of the agent: values, and names of secrets in Secrets Manager |"
    yield "| `model` | what the task role allows: with the provider `bedrock` this model, else nothing |"
    yield ""
    yield (
        "`aws logs tail --follow` with the log group of the outputs shows the log. "
        f"`npx aws-cdk@2 destroy` removes all of `{name}`."
    )


def _variables(facts: PackageFacts) -> Iterator[str]:
    yield "## Environment variables"
    yield ""
    yield "| Variable | Default | Meaning |"
    yield "| --- | --- | --- |"
    for name in needed(facts):
        kind = "secret of the agent" if name in facts.secret_names else "of the agent"
        yield f"| `{name}` | | {kind}; set in the test, and its value stayed behind |"
    for name, value in sorted(defaults(facts).items()):
        yield f"| `{name}` | {code_span(value)} | model setting of the test |"
    yield f"| `PORT` | {port(facts)} | where it listens |"
    yield f"| `WORKERS` | {workers(facts)} | agents in memory, each of which answers one query at a time |"
    yield f"| `TIMEOUT_S` | {facts.timeout_s} | time limit of a query, as in the test |"
    yield "| `WAIT_S` | 10 | how long a query waits for a free worker before it is refused |"
    yield "| `READ_TIMEOUT_S` | 15 | how long a client may take to send its request, and then its query |"
    yield "| `STOP_GRACE_S` | 25 | how long running queries may take after SIGTERM |"
    yield "| `MAX_QUERY_BYTES`, `MAX_RESPONSE_BYTES` | 1048576 | size limits |"
    yield "| `API_TOKEN` | | when set, queries must carry `Authorization: Bearer` and this token |"


def _answers(facts: PackageFacts) -> Iterator[str]:
    yield "## What it answers"
    yield ""
    yield '`POST /query` with `{"query": "..."}` answers `{"response": ...}`: any JSON value, as in the test.'
    if facts.without_query:
        yield 'The agent was tested without a query: `{"query": null}`.'
    if is_script(facts):
        yield (
            "The agent is a script: it is run anew for each query, with the query as its argument, on standard input "
            "and in `ASSAY_QUERY`; what it prints on standard output is the answer, and goes to the log, too."
        )
    yield 'Everything else is `{"error": {"code": "...", "message": "..."}}`:'
    yield ""
    yield "| Status | When |"
    yield "| --- | --- |"
    yield "| 400, 411, 413 | the query is not JSON of that form, has no length, is too large |"
    yield "| 401 | `API_TOKEN` is set and was not sent |"
    yield "| 500 | the agent raised an exception or its script failed (the log has more), its answer is too large |"
    yield "| 502 | the agent's process ended; the next query gets a new one |"
    yield "| 503 | all workers are busy, or the service is stopping; ask again |"
    yield f"| 504 | no answer within {facts.timeout_s} s; the agent was stopped |"
    yield ""
    yield "`GET /healthz` answers 200 while there is an agent to ask, else 503."


def _custom(facts: PackageFacts) -> Iterator[str]:
    if not facts.dockerfile:
        return
    name = image_name(facts)
    yield "## Your own Dockerfile"
    yield ""
    yield (
        f"The Dockerfile that came with the test is here as `{CUSTOM}`, byte for byte. The test did not run in it, so "
        "`Dockerfile` is one that was made from what ran. To use yours it must serve HTTP on `PORT`, for example by "
        "starting `server.py`. `.dockerignore` says which files it finds."
    )
    yield ""
    yield f"- Docker: `docker build -f {CUSTOM} -t {name} .`"
    yield f"- Compose: `DOCKERFILE={CUSTOM} docker compose up -d --build`"
    yield f'- AWS: `"dockerfile": "{CUSTOM}"` in `cdk/config.json`, and a `health_command` that works in it'


def _tested(facts: PackageFacts) -> Iterator[str]:
    outcome = facts.outcome
    yield "## What was tested"
    yield ""
    yield "| | |"
    yield "| --- | --- |"
    yield f"| Test | `{facts.test_id}`, finished {facts.finished:%Y-%m-%d %H:%M} UTC |"
    yield f"| Agent | {markdown(facts.agent_name)} ({code_span(facts.agent_id)}) |"
    yield f"| Result | {'passed' if outcome.success else 'did not pass'} |"
    if facts.called:
        yield f"| Called | {code_span(facts.called)} |"
    yield f"| Python | {facts.python_version} |"
    if facts.model is not None:
        model = " ".join(part for part in (facts.model.provider, facts.model.model_id) if part)
        yield f"| Model | {code_span(model)} |"
    if outcome.run_ms is not None:
        yield f"| Run time | {outcome.run_ms:,.0f} ms |"
    if outcome.peak_memory_bytes:
        yield f"| Peak memory | {outcome.peak_memory_bytes / 2**20:,.0f} MiB of {facts.memory_mib:,} MiB |"
    if outcome.input_tokens is not None or outcome.output_tokens is not None:
        yield f"| Tokens | {outcome.input_tokens or 0:,} in, {outcome.output_tokens or 0:,} out |"
    yield f"| Network | {'open' if facts.network else 'none: the agent was tested without any'} |"
    pinned = (
        "pinned as installed in the test"
        if is_pinned(facts)
        else "**not all pinned**: the test does not say which versions it had"
    )
    yield f"| Requirements | {pinned} |"
    if pins := compiled(facts):
        yield f"| Compiled from source | {_listed(pins)} |"
    if names := system_packages(facts):
        yield f"| Debian packages | {_listed(names)} |"


def _files(facts: PackageFacts) -> Iterator[str]:
    rows = [
        (PROJECT, "the tested files, byte for byte") if facts.agent_path else (AGENT, "the tested code, byte for byte"),
        ("server.py", "answers HTTP with it; needs nothing but Python"),
        ("agent.json", "entry point, port and defaults"),
        ("query.json", "the query of the test"),
        ("requirements.txt", "packages with their versions"),
        ("Dockerfile, .dockerignore", "the image"),
        ("docker-compose.yml, .env.example", "for one machine"),
        ("cdk/", "for AWS"),
        ("sbom.cdx.json", "what is installed, for scanners (CycloneDX)"),
        ("manifest.json", "what this was made from, and a checksum for each file"),
        ("provenance.json", "the same as a statement of in-toto (SLSA), for policies"),
        ("provenance.intoto.jsonl", "its signature (DSSE), where who runs Assay signs packages"),
        ("SHA256SUMS", "the same for `sha256sum -c`"),
    ]
    if facts.dockerfile:
        rows.insert(6, (CUSTOM, "your own"))
    if facts.inputs:
        rows.insert(1, (INPUTS, "the input files of the test"))
    yield "## Files"
    yield ""
    yield "| File | |"
    yield "| --- | --- |"
    for files, meaning in rows:
        yield f"| {', '.join(f'`{file}`' for file in files.split(', '))} | {meaning} |"


def _fill_in(facts: PackageFacts) -> Iterator[str]:
    if needed(facts):
        yield f"Fill in the variables that the agent was tested with: {_listed(needed(facts))}."
        yield ""
        yield from _bash("cp .env.example .env", '"${EDITOR:-vi}" .env')
        yield ""


def _has_local_model(facts: PackageFacts) -> bool:
    return any(name.endswith("_BASE_URL") and is_local(value) for name, value in defaults(facts).items())


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _bash(*commands: str) -> Iterator[str]:
    yield "```bash"
    yield from commands
    yield "```"
