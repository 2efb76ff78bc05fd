"""The ways out that everybody tries: setuid programs, namespaces, files that are not what they seem, and processors.

What is there already is not repeated: files, other tests, /proc, environment, kills and rights are in
tests/contract/test_process_isolation.py, memory and processes in test_process_limits.py beside it, what an agent leaves
behind in tests/unit/harness/test_files.py, its record in test_trust.py there."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path

import pytest

from services.orchestrator.runtimes.options import ProcessOptions
from services.orchestrator.runtimes.process import ProcessRuntime
from services.orchestrator.runtimes.steps import last_started
from services.orchestrator.runtimes.task_folder import TaskFolder
from tests.contract.runtime_worlds import answer, ended, output, spec
from tests.support.until import until

WAITS = "import time\ndef run(query):\n    print('up', flush=True)\n    time.sleep(60)\n"


async def test_no_program_is_setuid(sandboxes: ProcessRuntime) -> None:
    code = """
        import os, stat
        def run(query):
            found = []
            for top, folders, names in os.walk("/"):
                # Libraries and data are the host's, where no setuid has an effect (no_new_privs).
                folders[:] = [name for name in folders if name not in ("proc", "lib", "share")]
                for name in names:
                    try:
                        if os.lstat(top + "/" + name).st_mode & (stat.S_ISUID | stat.S_ISGID):
                            found.append(top + "/" + name)
                    except OSError:
                        pass
            return found
    """
    assert await answer(sandboxes, spec(agent_code=code)) == []


async def test_no_namespace_can_be_made(sandboxes: ProcessRuntime) -> None:
    code = """
        import ctypes, os
        libc = ctypes.CDLL(None, use_errno=True)
        NAMES = {"mount": 0x20000, "cgroup": 0x02000000, "uts": 0x04000000, "ipc": 0x08000000, "user": 0x10000000,
                 "pid": 0x20000000, "net": 0x40000000, "time": 0x80}
        def run(query):
            made = [name for name, flag in NAMES.items() if libc.unshare(flag) == 0]
            for name in ("mnt", "net", "pid", "user", "uts", "ipc", "cgroup"):
                fd = os.open("/proc/self/ns/" + name, os.O_RDONLY)
                if libc.setns(fd, 0) == 0:
                    made.append("entered " + name)
            return made
    """
    assert await answer(sandboxes, spec(agent_code=code)) == []


async def test_the_system_in_it_cannot_be_turned(sandboxes: ProcessRuntime) -> None:
    """Kernel settings, the root of the sandbox and what is mounted in it."""
    code = """
        import os
        def run(query):
            done = []
            for path in ("/proc/sys/kernel/core_pattern", "/proc/sys/kernel/hostname", "/proc/sys/vm/drop_caches",
                         "/proc/sys/net/ipv4/ip_forward", "/proc/sysrq-trigger", "/proc/sys/fs/binfmt_misc/register",
                         "/proc/self/oom_score_adj_of_nobody", "/sys/kernel/uevent_helper", "/dev/mem", "/dev/kmsg",
                         "/dev/sda", "/dev/vda", "/dev/fuse", "/dev/kvm"):
                try:
                    os.close(os.open(path, os.O_WRONLY))
                    done.append(path)
                except OSError:
                    pass
            for path in ("/usr", "/etc", "/assay", "/dev", "/lib"):
                try:
                    os.rename(path, path + "-moved")
                    done.append("moved " + path)
                except OSError:
                    pass
            try:
                os.mknod("/work/disk", 0o60600, os.makedev(8, 0))
                done.append("a device")
            except OSError:
                pass
            return done
    """
    assert await answer(sandboxes, spec(agent_code=code)) == []


LEAVES = """
import os, threading, time
def run(query):
    os.makedirs("out", exist_ok=True)
    os.symlink("/etc/passwd", "out/link")
    os.symlink("/proc/1/environ", "out/harness")
    os.mkfifo("out/fifo")
    with open("out/sparse", "wb") as file:
        file.truncate(1 << 29)
    with open("out/real", "w") as file:
        file.write("kept")
    os.link("out/real", "out/again")
    open("a", "w").write("x")
    stop = time.monotonic() + 1
    def swap():
        while time.monotonic() < stop:
            os.symlink("/etc/passwd", "out/swapped.new")
            os.replace("out/swapped.new", "out/swapped")
            open("out/swapped.new", "w").write("mine")
            os.replace("out/swapped.new", "out/swapped")
    thread = threading.Thread(target=swap, daemon=True)
    thread.start()
    thread.join(0.2)
    return "done"
"""


async def test_links_pipes_and_races_bring_nothing_out(sandboxes: ProcessRuntime) -> None:
    """The harness reads what is left when the agent is no more, and only what are files: nothing of the host's, and no
    half a gigabyte of nothing."""
    launched = await sandboxes.launch(spec(agent_code=LEAVES))
    await ended(sandboxes, launched.handle)
    values = json.loads(await sandboxes.collect(launched.handle) or b"{}")
    assert values["outcome"] == "success", values
    left = await sandboxes.collect_outputs(launched.handle) or b""
    await sandboxes.cleanup(launched.handle)
    names = {file["path"] for file in values["outputs"]}
    assert {"real"} <= names <= {"real", "again", "swapped", "swapped.new"}
    assert b"root:" not in left
    assert b"agent:x" not in left  # of its own /etc, which it could have read anyway
    assert len(left) < 100


async def test_a_file_has_a_greatest_size_and_a_folder_a_bound(sandboxes: ProcessRuntime) -> None:
    code = """
        import errno, resource
        def run(query):
            done = [resource.getrlimit(resource.RLIMIT_FSIZE)]
            try:
                with open("/work/whole", "wb") as file:
                    import os
                    os.posix_fallocate(file.fileno(), 0, 2 << 30)
            except OSError as error:
                done.append(errno.errorcode[error.errno])
            return done
    """
    size, error = await answer(sandboxes, spec(agent_code=code, memory_mib=128))
    assert size == [1 << 30, 1 << 30]
    assert error in {"EFBIG", "ENOSPC"}


async def test_no_agent_has_the_machine_look_at_its_dumps(sandboxes: ProcessRuntime) -> None:
    """With a limit of 0 the kernel starts the program of core_pattern for each crash, as root; with 1 it does not."""
    code = """
        import resource, subprocess
        def run(query):
            limits = [resource.getrlimit(resource.RLIMIT_CORE)]
            for limit in ((0, 0), (0, 1), (1, 1)):
                resource.setrlimit(resource.RLIMIT_CORE, limit)
                limits.append(resource.getrlimit(resource.RLIMIT_CORE))
            limits.append(subprocess.run(["sh", "-c", "ulimit -c 0; ulimit -c"], capture_output=True).returncode)
            return limits
    """
    assert await answer(sandboxes, spec(agent_code=code)) == [[1, 1]] * 4 + [0]


# --- processors


async def test_a_task_counts_by_its_vcpu_and_all_together_as_one_process_on_each_processor(
    sandboxes: ProcessRuntime,
) -> None:
    groups = sandboxes.host.groups
    if groups is None or not groups.shares_cpu:
        pytest.skip("no cgroup for processor time here")
    launched = await sandboxes.launch(spec(agent_code=WAITS, cpu=0.5))
    await until(lambda: any(line.get("text") == "up" for line in output(launched)))
    last = last_started(TaskFolder(f"{sandboxes.host.root}/tasks/{launched.handle['token']}"))
    assert last is not None
    processors = os.cpu_count() or 1
    found, parents = _values(last[1].cgroups), _values(groups.folders())
    await sandboxes.cleanup(launched.handle)
    if groups.version == 1:
        assert (found["cpu.shares"], parents["cpu.shares"]) == ("512", str(1024 * processors))  # a service: 1024
        assert int(found["cpu.cfs_quota_us"]) / int(found["cpu.cfs_period_us"]) == 0.5
    else:
        assert (found["cpu.weight"], parents["cpu.weight"]) == ("50", str(100 * processors))  # a service: 100
        assert found["cpu.max"] == "500000 1000000"


def _values(groups: Iterable[str]) -> dict[str, str]:
    """What the kernel says of these groups."""
    names = ("cpu.shares", "cpu.cfs_quota_us", "cpu.cfs_period_us", "cpu.weight", "cpu.max")
    paths = [Path(group, name) for group in groups for name in names]
    return {path.name: path.read_text().strip() for path in paths if path.exists()}


async def test_many_spinning_threads_get_what_their_test_asked_for(sandboxes: ProcessRuntime) -> None:
    """A quarter of a processor: for three seconds 0.75 s, and what may be used at once at the start."""
    if sandboxes.host.groups is None or not sandboxes.host.groups.shares_cpu:
        pytest.skip("no cgroup for processor time here")
    code = """
        import os, time
        def run(query):
            until = time.monotonic() + 3
            children = []
            for _ in range(8):
                pid = os.fork()
                if pid == 0:
                    while time.monotonic() < until:
                        pass
                    os._exit(0)
                children.append(pid)
            for pid in children:
                os.waitpid(pid, 0)
            times = os.times()
            return times.children_user + times.children_system
    """
    assert await answer(sandboxes, spec(agent_code=code, cpu=0.25)) < 1.75


def test_the_quota_is_on_by_default() -> None:
    assert ProcessOptions(root=Path("/nowhere")).cpu_quota
