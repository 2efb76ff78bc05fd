"""`assay verify`: says whether a deployment package is whole. Talks to no server."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from assay.cli.options import Json

_SHA256_LENGTH = 64


def verify(
    file: Annotated[Path, typer.Argument(metavar="FILE.zip", help="The package, as it was downloaded.")],
    sha256: Annotated[
        str, typer.Option(metavar="HEX", help="Also that it is this very ZIP: the SHA-256 that the server says it has.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Check a deployment package offline: every checksum, nothing missing, nothing added."""
    from assay.cli.complaint import complain
    from assay.cli.jsontext import json_text
    from assay.cli.text import plural, safe, size
    from assay.verify import verify_package

    if sha256 and (len(sha256) != _SHA256_LENGTH or set(sha256.lower()) - set("0123456789abcdef")):
        raise typer.BadParameter("write 64 hexadecimal digits", param_hint="--sha256")
    try:
        found = verify_package(file, sha256=sha256)
    except OSError as error:
        complain(error, None, as_json=as_json)
        raise typer.Exit(2) from None
    if as_json:
        print(
            json_text(
                {
                    "passed": found.passed,
                    "problems": found.problems,
                    "sha256": found.sha256,
                    "files": [{"path": f.path, "size": f.size, "sha256": f.sha256} for f in found.files],
                    "manifest": found.manifest,
                }
            )
        )
    elif found.passed:
        total = sum(packed.size for packed in found.files)
        print(f"✓ {safe(str(file))}: {plural(len(found.files), 'file')}, {size(total)}, all as packed")
        agent = found.manifest.get("agent", {})
        print(f"  agent {safe(str(agent.get('name', '')))} of test {safe(str(found.manifest.get('test_id', '')))}")
        print(f"  sha256 {found.sha256}")
    else:
        print(f"✗ {safe(str(file))} is not a package as it was made:", file=sys.stderr)
        for problem in found.problems:
            print(f"  {safe(problem)}", file=sys.stderr)
    if not found.passed:
        raise typer.Exit(1)
