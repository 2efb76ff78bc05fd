"""The Python stubs of the API, built from proto/ into client/assay/v1 by proto/build.py."""

from __future__ import annotations

import hashlib

from deploy.setup.python import PYTHON
from deploy.setup.steps import PROJECT, Step, command

PROTO = PROJECT / "proto"
BUILT = PROJECT / "client" / "assay" / "v1"
STAMP = BUILT / ".set-up"  # beside them: .tools may be shared by several checkouts


def _sources() -> str:
    """What the stubs are made of, so that a look at it is enough to see that nothing changed."""
    digest = hashlib.sha256((PROJECT / "requirements.lock").read_bytes())
    for source in sorted([PROTO / "build.py", *PROTO.glob("assay/v1/*.proto")]):
        digest.update(source.read_bytes())
    return digest.hexdigest()


def _needed() -> bool:
    return not STAMP.exists() or STAMP.read_text("utf-8") != _sources()


def _build() -> str:
    command(str(PYTHON), str(PROTO / "build.py"))
    STAMP.write_text(_sources(), "utf-8")
    return "built from proto/"


STEP = Step("API stubs", _needed, _build)
