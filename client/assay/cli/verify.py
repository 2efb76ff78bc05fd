"""`assay verify`: says whether a deployment package is whole. Talks to no server."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assay.cli.options import Json

if TYPE_CHECKING:
    from assay.attestation import Signature

_SHA256_LENGTH = 64


def verify(
    file: Annotated[Path, typer.Argument(metavar="FILE.zip", help="The package, as it was downloaded.")],
    sha256: Annotated[
        str, typer.Option(metavar="HEX", help="Also that it is this very ZIP: the SHA-256 that the server says it has.")
    ] = "",
    key: Annotated[
        list[Path] | None,
        typer.Option(metavar="PUBLIC.pem", help="Also that this key signed all of it; more than once: any of them."),
    ] = None,
    test: Annotated[
        str, typer.Option(metavar="TEST", help="Also that it was made of this test, and is no other signed package.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Check a deployment package offline: every checksum, nothing missing, nothing added, and who signed it."""
    from assay.attestation import BadKey, SignaturesNeedALibrary
    from assay.cli.complaint import complain
    from assay.cli.jsontext import json_text
    from assay.cli.text import plural, safe, size
    from assay.verify import verify_package

    if sha256 and (len(sha256) != _SHA256_LENGTH or set(sha256.lower()) - set("0123456789abcdef")):
        raise typer.BadParameter("write 64 hexadecimal digits", param_hint="--sha256")
    try:
        found = verify_package(file, sha256=sha256, test_id=test, keys=[path.read_bytes() for path in key or ()])
    except BadKey as error:
        raise typer.BadParameter(str(error), param_hint="--key") from None
    except (OSError, SignaturesNeedALibrary) as error:
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
                    "signature": None
                    if found.signature is None
                    else {"key_ids": found.signature.key_ids, "checked_by": found.signature.checked_by},
                }
            )
        )
    elif found.passed:
        total = sum(packed.size for packed in found.files)
        print(f"✓ {safe(str(file))}: {plural(len(found.files), 'file')}, {size(total)}, all as packed")
        agent = found.manifest.get("agent", {})
        print(f"  agent {safe(str(agent.get('name', '')))} of test {safe(str(found.manifest.get('test_id', '')))}")
        print(f"  sha256 {found.sha256}")
        print(f"  {_signed(found.signature)}")
    else:
        print(f"✗ {safe(str(file))} is not a package as it was made:", file=sys.stderr)
        for problem in found.problems:
            print(f"  {safe(problem)}", file=sys.stderr)
    if not found.passed:
        raise typer.Exit(1)


def _signed(signature: Signature | None) -> str:
    """In a sentence, what is known of who made it."""
    from assay.cli.text import safe

    if signature is None:
        return "not signed: whoever had the ZIP may have made it anew; compare its SHA-256 with the server's (--sha256)"
    if signature.checked_by:
        return f"signed: key {signature.checked_by[:16]} signed each of these files and where they are from"
    names = " and ".join(safe(key_id[:16]) or "without a name" for key_id in signature.key_ids)
    return f"signature not checked: it says key {names}; give the public key with --key to check it"
