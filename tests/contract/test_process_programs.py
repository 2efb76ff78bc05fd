"""Which programs of the machine an agent finds: those of a small Python image, and what its test names."""

from __future__ import annotations

import os
import shutil

import pytest

from services.orchestrator.ports import LaunchFailed
from services.orchestrator.runtimes import debian
from services.orchestrator.runtimes.host import Unfit
from services.orchestrator.runtimes.options import Isolation, ProcessOptions
from services.orchestrator.runtimes.process import ProcessRuntime
from shared.domain.failure import FailureCode
from tests.contract.package_index import Index, serving, wheel
from tests.contract.runtime_worlds import ProcessWorld, answer, spec

PYTHON_AND_PYTHON3 = """
    import shutil, subprocess, sys
    def run(query):
        said = [subprocess.run([name, "-c", "import sys; print(sys.version_info[:2])"], capture_output=True, text=True)
                for name in ("python", "python3", sys.executable)]
        return [one.stdout.strip() or one.stderr for one in said]
"""
SHELL = r"""
set -e -o pipefail
printf 'b 2\na 1\n' | sort | awk '{print $1}' | sed 's/a/A/' | tr '\n' ' '
mkdir d && echo x > d/f && tar -czf d.tgz d && tar -tzf d.tgz | wc -l
find . -name f | xargs grep -c x
perl -e 'print 6 * 7, "\n"'
openssl version | cut -d' ' -f1
test -n "$(date)" && which bash && basename "$(readlink -f /bin/sh)"
"""

needs_debian = pytest.mark.skipif(debian.read() is None, reason="needs a Debian machine")


async def test_programs_that_a_python_image_lacks_are_not_there(sandboxes: ProcessRuntime) -> None:
    names = ["git", "gcc", "cc", "make", "node", "npm", "curl", "wget", "ssh", "docker", "apt-file", "uv", "pip", "vim"]
    code = f"""
        import os, shutil
        def run(query):
            path = os.environ["PATH"] + ":/usr/sbin:/sbin:/usr/games:/usr/local/sbin"
            return [[name for name in {names} if shutil.which(name, path=path)], os.listdir("/usr/local/bin")]
    """
    assert await answer(sandboxes, spec(agent_code=code)) == [[], []]


@needs_debian
async def test_what_shell_commands_need_is_there_and_works(sandboxes: ProcessRuntime) -> None:
    code = f"""
        import subprocess
        def run(query):
            done = subprocess.run(["bash", "-c", {SHELL!r}], capture_output=True, text=True)
            return [done.returncode, done.stdout.split(), done.stderr]
    """
    words = ["A", "b", "2", "1", "42", "OpenSSL", "/usr/bin/bash", os.path.basename(os.path.realpath("/bin/sh"))]  # noqa: ASYNC240, PTH119 - one look
    assert await answer(sandboxes, spec(agent_code=code)) == [0, words, ""]


async def test_no_program_has_the_rights_of_another_user(sandboxes: ProcessRuntime) -> None:
    code = """
        import os, stat
        def run(query):
            found = []
            for folder in ("/usr/bin", "/usr/sbin"):
                for entry in os.scandir(folder):
                    if entry.stat(follow_symlinks=False).st_mode & (stat.S_ISUID | stat.S_ISGID):
                        found.append(entry.path)
            return found
    """
    assert await answer(sandboxes, spec(agent_code=code)) == []


async def test_modules_of_the_machine_are_not_there_for_children_either(sandboxes: ProcessRuntime) -> None:
    """Debian's own Python programs bring modules along that no image has."""
    code = """
        import subprocess
        def run(query):
            what = "import os, sys; print([os.listdir(p) for p in sys.path if 'packages' in p and os.path.isdir(p)])"
            return subprocess.run(["python3", "-c", what], capture_output=True, text=True).stdout.strip()
    """
    assert await answer(sandboxes, spec(agent_code=code)) in ("[]", "[[]]")


async def test_python_is_there_by_both_names(sandboxes: ProcessRuntime) -> None:
    said = await answer(sandboxes, spec(agent_code=PYTHON_AND_PYTHON3))
    assert said[0].startswith("(3,")
    assert said == [said[0]] * 3


async def test_python_is_there_by_both_names_with_requirements(process_world: ProcessWorld) -> None:
    index = Index()
    index.offer(wheel("greeting", "1.0", {"greeting.py": "TEXT = 'one'\n"}))
    code = PYTHON_AND_PYTHON3.replace("import sys;", "import sys, greeting;")
    with serving(index):
        runtime = await _opened(process_world, index)
        try:
            said = await answer(runtime, spec(agent_code=code, requirements=("greeting",)), timeout=40)
        finally:
            await runtime.aclose()
    assert said[0].startswith("(3,")
    assert said == [said[0]] * 3


async def test_python_is_there_by_both_names_without_a_sandbox(process_world: ProcessWorld) -> None:
    process_world.isolation = Isolation.OFF
    runtime = await process_world.open()
    try:
        said = await answer(runtime, spec(agent_code=PYTHON_AND_PYTHON3))
    finally:
        await runtime.aclose()
    assert said[0].startswith("(3,")
    assert said == [said[0]] * 3


@needs_debian
async def test_packages_that_the_test_names_are_there_with_what_they_need(sandboxes: ProcessRuntime) -> None:
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    code = """
        import shutil, subprocess
        def run(query):
            made = subprocess.run("git init -q . && git --version", shell=True, capture_output=True, text=True)
            return [made.returncode, made.stdout.startswith("git version"), made.stderr, shutil.which("gcc")]
    """
    assert await answer(sandboxes, spec(agent_code=code, system_packages=("git",))) == [0, True, "", None]
    assert (await answer(sandboxes, spec(agent_code=code)))[0] == 127


@needs_debian
async def test_a_compiler_that_was_asked_for_finds_its_headers_and_has_its_usual_name(
    sandboxes: ProcessRuntime,
) -> None:
    machine = debian.read()
    assert machine is not None
    if machine.missing(["gcc", "libc6-dev"]):
        pytest.skip("no compiler is installed")
    code = r"""
        import subprocess
        def run(query):
            open("a.c", "w").write('#include <stdio.h>\nint main(void) { return puts("compiled") < 0; }')
            return subprocess.run("cc a.c -o a && ./a", shell=True, capture_output=True, text=True).stdout
    """
    task = spec(agent_code=code, system_packages=("gcc", "libc6-dev"))
    assert await answer(sandboxes, task) == "compiled\n"


@needs_debian
async def test_a_package_that_the_machine_lacks_ends_the_launch_and_is_named(sandboxes: ProcessRuntime) -> None:
    task = spec(system_packages=("bash", "no-such-package", "nor-this"))
    with pytest.raises(LaunchFailed, match="lacks the Debian packages no-such-package, nor-this") as refused:
        await sandboxes.launch(task)
    assert refused.value.code is FailureCode.SYSTEM_PACKAGE_MISSING
    assert os.listdir(sandboxes.host.root / "tasks") == []  # noqa: PTH208


async def _opened(world: ProcessWorld, index: Index) -> ProcessRuntime:
    try:
        return await ProcessRuntime.open(ProcessOptions(root=world.root, build_env={"UV_DEFAULT_INDEX": index.url}))
    except Unfit as unfit:
        pytest.skip(str(unfit))
