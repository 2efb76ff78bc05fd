# ruff: noqa: E501 - lines as installers write them
"""What installers really said (uv 0.9, pip 23), and what a user is told of it."""

import errno

import pytest

from services.orchestrator.harness.src.hints import hint_for
from services.orchestrator.harness.src.install_message import (
    CONTRADICTION,
    NO_COMPILER,
    NO_NETWORK,
    NO_ROOM,
    NOT_ALL_HASHES,
    NOT_BUILT,
    NOT_FOR_THIS_PYTHON,
    NOT_THERE,
    OTHER_FILE,
    explained,
)

SAID: dict[str, tuple[str, str, str]] = {
    "uv: no such package": (
        """Using Python 3.11.2 environment at: e
error: No solution found when resolving dependencies
  cause: Because no-such was not found in the package registry and you require no-such, we can conclude that your requirements are unsatisfiable.
""",
        "No solution found when resolving dependencies: Because no-such was not found in the package registry",
        NOT_THERE,
    ),
    "uv: no such package, with arrows": (
        """  × No solution found when resolving dependencies:
  ╰─▶ Because there is no version of humanize==99.0 and you require
      humanize==99.0, we can conclude that your requirements are unsatisfiable.
""",
        "No solution found when resolving dependencies: Because there is no version of humanize==99.0 and you require",
        NOT_THERE,
    ),
    "uv: conflict": (
        """error: No solution found when resolving dependencies
  cause: Because httpx==0.27.0 depends on httpcore==1.* and you require httpx==0.27.0, we can conclude that you require httpcore==1.*.
         And because you require httpcore==0.9, we can conclude that your requirements are unsatisfiable.
""",
        "you require httpcore==1.*. And because you require httpcore==0.9",
        CONTRADICTION,
    ),
    "uv: hash": (
        """Resolved 1 package in 207ms
error: Failed to download `humanize==4.9.0`
  cause: Hash mismatch for `humanize==4.9.0`

         Expected:
           sha256:aaaa

         Computed:
           sha256:ce28
""",
        "Failed to download `humanize==4.9.0`: Hash mismatch for `humanize==4.9.0`: Expected: sha256:aaaa: Computed: sha256:ce28",
        OTHER_FILE,
    ),
    "uv: not all hashes": (
        "error: Hash-checking is required, but no trusted hash was provided for: `six`\n",
        "Hash-checking is required, but no trusted hash was provided for: `six`",
        NOT_ALL_HASHES,
    ),
    "uv: no network": (
        """error: Request failed after 3 retries in 10.3s
  cause: Failed to fetch: http://user:secret@127.0.0.1:9/simple/six/
  cause: error sending request for url (http://127.0.0.1:9/simple/six/)
  cause: tcp connect error
  cause: Connection refused (os error 111)
""",
        "Request failed after 3 retries in 10.3s: Failed to fetch: http://127.0.0.1:9/simple/six/: error sending",
        NO_NETWORK,
    ),
    "uv: another Python": (
        """error: No solution found when resolving dependencies
  cause: Because tensorflow==1.0.0 has no wheels with a matching Python ABI tag (e.g., `cp311`) and you require tensorflow==1.0.0, we can conclude that your requirements are unsatisfiable.

hint: You require CPython 3.11 (`cp311`), but we only found wheels for `tensorflow` (v1.0.0)
""",
        "Because tensorflow==1.0.0 has no wheels with a matching Python ABI tag",
        NOT_FOR_THIS_PYTHON,
    ),
    "uv: its own build": (
        """error: The build backend returned an error
  cause: Call to `setuptools.build_meta:__legacy__.get_requires_for_build_wheel` failed (exit status: 1)

         [stderr]
         Traceback (most recent call last):
           File "<string>", line 1, in <module>
         ModuleNotFoundError: No module named 'numpy'
""",
        "failed (exit status: 1) (ModuleNotFoundError: No module named 'numpy')",
        NOT_BUILT,
    ),
    "uv: no compiler": (
        """error: Failed to build `needsgcc==1.0`
  cause: The build backend returned an error
  cause: Call to `setuptools.build_meta.build_wheel` failed (exit status: 1)

         [stderr]
         error: command 'x86_64-linux-gnu-gcc' failed: No such file or directory
""",
        "(error: command 'x86_64-linux-gnu-gcc' failed: No such file or directory)",
        NO_COMPILER,
    ),
    "uv: no room": (
        "error: Failed to install: torch\n  cause: failed to copy file\n  cause: No space left on device (os error 28)\n",
        "Failed to install: torch: failed to copy file: No space left on device",
        NO_ROOM,
    ),
    "pip: no such version": (
        """Looking in links: /opt/wheels
ERROR: Could not find a version that satisfies the requirement humanize==99.0 (from versions: 1.0.0, 1.1.0)
ERROR: No matching distribution found for humanize==99.0
""",
        "No matching distribution found for humanize==99.0",
        NOT_THERE,
    ),
    "pip: conflict": (
        """  Downloading certifi-2026.10.19-py3-none-any.whl (134 kB)
ERROR: Cannot install -r r.txt (line 1) and httpcore==0.9 because these package versions have conflicting dependencies.

The conflict is caused by:
    The user requested httpcore==0.9
    httpx 0.27.0 depends on httpcore==1.*

To fix this you could try to:
1. loosen the range of package versions you've specified

ERROR: ResolutionImpossible: for help visit https://pip.pypa.io/en/latest/topics
""",
        "conflicting dependencies.; The user requested httpcore==0.9; httpx 0.27.0 depends on httpcore==1.*",
        CONTRADICTION,
    ),
    "pip: hash": (
        """ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE. If you have updated the package versions, please update the hashes.
    humanize==4.9.0 from https://files.example/humanize-4.9.0-py3-none-any.whl (from -r r.txt (line 1)):
        Expected sha256 aaaa
             Got        ce28
""",
        "humanize==4.9.0; Expected sha256 aaaa; Got        ce28",
        OTHER_FILE,
    ),
    "pip: not all hashes": (
        """ERROR: In --require-hashes mode, all requirements must have their versions pinned with ==. These do not:
    six>=1.5 from https://files.example/six-1.17.0-py2.py3-none-any.whl (from python-dateutil==2.9.0)
""",
        "pinned with ==. These do not:; six>=1.5",
        NOT_ALL_HASHES,
    ),
    "pip: no network": (
        """WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError(': Failed to establish a new connection: [Errno 111] Connection refused')': /simple/six/
ERROR: Could not find a version that satisfies the requirement six==1.0 (from versions: none)
ERROR: No matching distribution found for six==1.0
""",
        "No matching distribution found for six==1.0",
        NO_NETWORK,
    ),
    "pip: its own build": (
        """      ModuleNotFoundError: No module named 'numpy'
      [end of output]

  note: This error originates from a subprocess, and is likely not a problem with pip.
error: subprocess-exited-with-error

× Getting requirements to build wheel did not run successfully.
│ exit code: 1
╰─> See above for output.

note: This error originates from a subprocess, and is likely not a problem with pip.
""",
        "A requirement cannot be built from source: ModuleNotFoundError: No module named 'numpy'",
        NOT_BUILT,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("said", "message", "hint"), SAID.values(), ids=SAID.keys())
def test_what_decides_is_told_first_with_what_to_do(said: str, message: str, hint: str) -> None:
    told, advice = explained([line for line in said.splitlines() if line.strip()])
    assert message in told
    assert advice == hint
    assert len(advice) <= 500
    assert "secret" not in told
    assert not told.startswith(("Using", "Looking", "Resolved"))


def test_what_is_not_known_is_told_as_it_came() -> None:
    assert explained(["something", "else"]) == ("something\nelse", "")
    assert explained([]) == ("", "")


def test_files_that_fill_the_memory_are_told_as_such() -> None:
    hint = hint_for(OSError(errno.ENOSPC, "No space left on device"))
    assert "count as memory" in hint
    assert "--memory" in hint
