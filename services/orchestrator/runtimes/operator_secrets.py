"""The secret store of the process runtime: files of a folder, and variables of the orchestrator, both the operator's.

Decides which of them a test may name, and reads them when it is launched. Values are returned and kept nowhere; no
message has one, nor the place where it lies, which is the operator's business (ADR 38).
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import structlog

from services.orchestrator.ports import LaunchFailed
from shared.domain.failure import FailureCode
from shared.ids import UserId

log = structlog.get_logger(__name__)

MOST_BYTES: Final = 64 << 10  # half of what Linux takes for one variable (MAX_ARG_STRLEN, 128 KiB)
_PART: Final = r"[A-Za-z0-9_+=@-][A-Za-z0-9_+=.@-]{0,254}"  # no dot in front: neither `..` nor a hidden file
_NAME: Final = re.compile(rf"{_PART}(?:/{_PART})+")
# `/` becomes `__`, so no part may have `__` in it or `_` at an end: two names would be one variable.
_IN_ENVIRONMENT: Final = re.compile(r"[A-Za-z0-9.-]+(?:_[A-Za-z0-9.-]+)*")
_OF_OTHERS: Final = 0o007 | stat.S_IWGRP


class _Unusable(Exception):
    """Why a secret that is there is not handed out. For the test's owner: no value, no path."""


@dataclass(frozen=True, slots=True)
class OperatorSecrets:
    """What tests of this machine may refer to."""

    folder: Path | None = None
    """a file for each secret; its name there is the name in a reference"""
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    """`user__name` -> value, from the orchestrator's environment, without the operator's prefix"""
    prefixes: tuple[str, ...] = ("{user}/",)
    """a name must begin with one of them; `{user}` stands for the test's user"""

    @property
    def is_there(self) -> bool:
        """Whether the operator has set one up."""
        return self.folder is not None or bool(self.variables)

    def read(self, references: Mapping[str, str], user: UserId) -> dict[str, str]:
        """Variable -> value. Raises LaunchFailed with the reference that cannot be used. Blocks: it reads files."""
        if not self.is_there:
            raise _refused(
                "This installation has no secret store. Its operator sets one up with ASSAY_PROCESS_SECRETS_DIR or "
                "ASSAY_PROCESS_SECRETS_ENV_PREFIX."
            )
        return {variable: self._value(reference, user) for variable, reference in references.items()}

    def _value(self, name: str, user: UserId) -> str:
        allowed = [prefix.replace("{user}", user) for prefix in self.prefixes]
        if not _NAME.fullmatch(name):
            raise _refused(f"{name} is no name of a secret here: write one such as {allowed[0]}api-key.")
        if not name.startswith(tuple(allowed)):
            raise _refused(
                f"Tests of {user} may not use the secret {name}: only those whose name begins with "
                f"{' or '.join(allowed)}"
            )
        try:
            value = _in_folder(self.folder, name) if self.folder else None
            if value is None:
                value = self.variables.get(variable_of(name) or "")
            if value is None:
                raise _refused(f"There is no secret {name}. Its operator can add it; names are exact, case included.")
            return _checked(value)
        except _Unusable as why:
            log.warning("secret_unusable", secret=name, reason=str(why))
            raise _refused(f"The secret {name} cannot be used: {why}") from None


def variables_in(environment: Mapping[str, str], prefix: str) -> dict[str, str]:
    """What of an environment is meant for tests; nothing without a prefix."""
    if not prefix:
        return {}
    return {name.removeprefix(prefix): value for name, value in environment.items() if name.startswith(prefix)}


def variable_of(name: str) -> str | None:
    """The variable behind the operator's prefix: `alice/api_key` is `alice__api_key`. None: no variable has this name.

    No two names share a variable, or one user could name another's."""
    parts = name.split("/")
    return "__".join(parts) if all(_IN_ENVIRONMENT.fullmatch(part) for part in parts) else None


def _in_folder(root: Path, name: str) -> str | None:
    """What is in the file; None where there is none."""
    try:
        folder = root.resolve(strict=True)
        found = (folder / name).resolve(strict=True)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, RuntimeError) as error:  # a loop of links
        raise _Unusable("its file cannot be read by the orchestrator.") from error
    # Kubernetes mounts secrets as links through `..data` and `..2026_11_30...`: they lead to the same name below them.
    if not found.is_relative_to(folder) or [
        part for part in found.relative_to(folder).parts if not part.startswith("..")
    ] != name.split("/"):
        raise _Unusable("its file is a link to another place.")
    try:
        # Not blocked by a FIFO, and not by a link that took the file's place since.
        fd = os.open(found, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.ENOENT:
            return None
        raise _Unusable("its file cannot be read by the orchestrator.") from error
    try:
        facts = os.fstat(fd)
        if not stat.S_ISREG(facts.st_mode):
            raise _Unusable("it is not a file.")
        if facts.st_mode & _OF_OTHERS:
            raise _Unusable(
                "its file is open to others. The operator takes that away: chmod 0400, or 0440; in Kubernetes "
                "defaultMode: 0440."
            )
        data = os.read(fd, MOST_BYTES + 3)  # a line break behind it does not count
    finally:
        os.close(fd)
    try:
        return data.removesuffix(b"\n").removesuffix(b"\r").decode()
    except UnicodeDecodeError:
        raise _Unusable("it is not text (UTF-8).") from None


def _checked(value: str) -> str:
    if len(value.encode(errors="surrogateescape")) > MOST_BYTES:
        raise _Unusable(f"it has more than {MOST_BYTES >> 10} KiB.")
    if "\0" in value:
        raise _Unusable("it has a NUL character in it.")
    if not value:
        raise _Unusable("it is empty.")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise _Unusable("it is not text (UTF-8).") from None
    return value


def _refused(message: str) -> LaunchFailed:
    return LaunchFailed(FailureCode.CREDENTIALS_INVALID, message)
