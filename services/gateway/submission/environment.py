"""Which environment variables, secret references and labels a test may bring."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from services.gateway.errors import Violations

MOST_VARIABLES: Final = 100
MOST_BYTES: Final = 32 * 1024
LONGEST_NAME: Final = 128
MOST_SECRETS: Final = 50
MOST_LABELS: Final = 32

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Variables with which a test could change how our own harness is found, loaded or led.
_RESERVED_PREFIXES: Final = ("ASSAY_", "LD_", "DYLD_", "PYTHON", "GLIBC_", "MALLOC_", "BASH_FUNC_")
_RESERVED: Final = frozenset({"PATH", "HOME", "SHELL", "USER", "LOGNAME", "PWD", "IFS", "ENV", "BASH_ENV", "TMPDIR"})
_SECRET: Final = re.compile(r"arn:aws[a-z-]*:(?:secretsmanager|ssm):[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9/_+=.@:-]{1,512}")
_SECRET_NAME: Final = re.compile(r"[A-Za-z0-9/_+=.@-]{1,512}")
_LABEL_KEY: Final = re.compile(r"[a-z0-9_.-]{1,63}")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


def check_env(env: Mapping[str, str], field: str, violations: Violations) -> None:
    """Names, number and size of the variables."""
    if len(env) > MOST_VARIABLES:
        violations.add(field, f"has {len(env)} variables; at most {MOST_VARIABLES} are allowed")
        return
    size = 0
    for name, value in env.items():
        size += len(name.encode()) + len(value.encode())
        problem = _name_problem(name) or ("has a NUL character in its value" if "\0" in value else "")
        if problem:
            violations.add(f'{field}["{name[:LONGEST_NAME]}"]', problem)
    if size > MOST_BYTES:
        violations.add(field, f"has {size} bytes in all; at most {MOST_BYTES} are allowed")


def check_secrets(secrets: Mapping[str, str], env: Mapping[str, str], field: str, violations: Violations) -> None:
    """Names of the variables, and that each refers to a secret by name or ARN. The secrets themselves never come."""
    if len(secrets) > MOST_SECRETS:
        violations.add(field, f"has {len(secrets)} entries; at most {MOST_SECRETS} are allowed")
        return
    for name, reference in secrets.items():
        problem = _name_problem(name)
        if not problem and name in env:
            problem = "is set in spec.env, too; a variable has one value"
        if not problem and not (_SECRET.fullmatch(reference) or _SECRET_NAME.fullmatch(reference)):
            problem = "must be the name of a secret, or its ARN where tests run on AWS; at most 512 characters"
        if problem:
            violations.add(f'{field}["{name[:LONGEST_NAME]}"]', problem)


def check_labels(labels: Mapping[str, str], field: str, violations: Violations) -> None:
    """Keys, values and number of the labels."""
    if len(labels) > MOST_LABELS:
        violations.add(field, f"has {len(labels)} labels; at most {MOST_LABELS} are allowed")
        return
    for key, value in labels.items():
        problem = ""
        if not _LABEL_KEY.fullmatch(key):
            problem = "the key must be 1 to 63 of the characters a-z, 0-9, _, . and -"
        elif len(value) > 255:
            problem = "the value is longer than 255 characters"
        elif _CONTROL.search(value):
            problem = "the value has a control character in it"
        if problem:
            violations.add(f'{field}["{key[:63]}"]', problem)


def _name_problem(name: str) -> str:
    if len(name) > LONGEST_NAME:
        return f"the name is longer than {LONGEST_NAME} characters"
    if not _NAME.fullmatch(name):
        return "the name must begin with a letter or _ and go on with letters, digits and _"
    upper = name.upper()
    if upper in _RESERVED or upper.startswith(_RESERVED_PREFIXES):
        return "the name is reserved: the platform sets it, or it would change how the agent is started"
    return ""
