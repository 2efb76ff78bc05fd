"""What tests of the generated CDK app need: aws-cdk-lib (270 MB) and cfn-lint, in an environment of their own.

Not part of `make setup`, as only these tests need it. They do this step themselves when the first of them runs.
"""

from __future__ import annotations

import shutil

from deploy.setup.python import UV, install_locked
from deploy.setup.steps import PROJECT, TOOLS, Missing, Step, command

LOCK = PROJECT / "deploy" / "setup" / "cdk.lock"
CDK = TOOLS / "cdk"
PYTHON = CDK / "bin" / "python"
CFN_LINT = CDK / "bin" / "cfn-lint"
INSTALLED = CDK / ".installed"


def _needed() -> bool:
    return not (INSTALLED.exists() and INSTALLED.read_bytes() == LOCK.read_bytes())


def _install() -> str:
    if shutil.which("node") is None:
        raise Missing("node (Debian package: nodejs)    # aws-cdk-lib runs on it")
    shutil.rmtree(CDK, ignore_errors=True)
    command(str(UV), "venv", "--quiet", str(CDK))
    install_locked(LOCK, "--python", str(PYTHON))
    INSTALLED.write_bytes(LOCK.read_bytes())
    return "aws-cdk-lib and cfn-lint in .tools/cdk"


STEP = Step("aws-cdk-lib and cfn-lint", _needed, _install)
