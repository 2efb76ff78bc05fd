from pathlib import Path

import pytest

from services.orchestrator.runtimes.cgroups import (
    Cgroups,
    Mount,
    kill_all,
    parse_membership,
    parse_mounts,
    remove,
)
from services.orchestrator.runtimes.memory_shortage import out_of_memory

MOUNTINFO = """\
22 1 0:20 / /proc rw,relatime shared:5 - proc proc rw
30 25 0:26 / /sys/fs/cgroup/memory rw,nosuid shared:9 - cgroup cgroup rw,memory
31 25 0:27 /docker/abc /sys/fs/cgroup/cpu,cpuacct ro,nosuid shared:10 - cgroup cgroup rw,cpu,cpuacct
32 25 0:28 / /a\\040folder rw,nosuid shared:11 master:1 - cgroup2 cgroup2 rw,nsdelegate
"""


def test_the_mounted_hierarchies_are_found() -> None:
    memory, cpu, unified = parse_mounts(MOUNTINFO)
    assert (memory.point, memory.version, "memory" in memory.controllers) == (Path("/sys/fs/cgroup/memory"), 1, True)
    assert (cpu.root, {"cpu", "cpuacct"} <= cpu.controllers) == ("/docker/abc", True)
    assert unified == Mount(Path("/a folder"), "/", 2, frozenset())


def test_the_own_group_is_known_for_each_controller() -> None:
    own = parse_membership("9:cpu,cpuacct:/system\n4:memory:/one/two\n0::/user.slice/a:b\n")
    assert own == {"cpu": "/system", "cpuacct": "/system", "memory": "/one/two", "": "/user.slice/a:b"}


@pytest.mark.parametrize(
    ("groups", "cpu", "expected"),
    [
        pytest.param(
            Cgroups(1, {"memory": Path("/m"), "pids": Path("/p")}, limits_swap=True),
            None,
            [
                {"memory.limit_in_bytes": "268435456", "memory.memsw.limit_in_bytes": "268435456"},
                {"pids.max": "64"},
            ],
            id="version 1 with swap",
        ),
        pytest.param(
            Cgroups(1, {"memory": Path("/m"), "pids": Path("/p")}, limits_swap=False, limits_sockets=True),
            None,
            [
                {"memory.limit_in_bytes": "268435456", "memory.kmem.tcp.limit_in_bytes": "268435456"},
                {"pids.max": "64"},
            ],
            id="version 1 with what connections hold",
        ),
        pytest.param(
            Cgroups(1, {"memory": Path("/m"), "pids": Path("/p"), "cpu": Path("/c")}, limits_swap=False, bursts=True),
            0.25,
            [
                {"memory.limit_in_bytes": "268435456"},
                {"pids.max": "64"},
                {
                    "cpu.shares": "256",
                    "cpu.cfs_period_us": "1000000",
                    "cpu.cfs_quota_us": "250000",
                    "cpu.cfs_burst_us": "250000",
                },
            ],
            id="version 1 with a quota of processor time",
        ),
        pytest.param(
            Cgroups(2, dict.fromkeys(("memory", "pids", "cpu"), Path("/u")), limits_swap=True),
            2.0,
            [
                {
                    "memory.max": "268435456",
                    "memory.swap.max": "0",
                    "pids.max": "64",
                    "cpu.weight": "200",
                    "cpu.max": "2000000 1000000",
                }
            ],
            id="version 2: one group for all",
        ),
        pytest.param(
            Cgroups(2, dict.fromkeys(("memory", "pids"), Path("/u")), limits_swap=False),
            None,
            [{"memory.max": "268435456", "pids.max": "64"}],
            id="version 2 without swap",
        ),
    ],
)
def test_limits_are_written_in_the_order_of_the_folders(
    groups: Cgroups, cpu: float | None, expected: list[dict[str, str]]
) -> None:
    quota = cpu is not None
    assert groups.values(memory_mib=256, processes=64, cpu=cpu or 1.0, cpu_quota=quota) == expected
    assert len(groups.folders()) == len(expected)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("memory.events", "low 0\nhigh 0\nmax 12\noom 1\noom_kill 1\n", True),
        ("memory.events", "low 0\nhigh 0\nmax 12\noom 1\noom_kill 0\n", False),
        ("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n", True),
        ("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 0\n", False),
    ],
)
def test_a_kill_for_want_of_memory_is_read(tmp_path: Path, name: str, text: str, *, expected: bool) -> None:
    (tmp_path / name).write_text(text)
    assert out_of_memory([str(tmp_path)]) is expected


def test_groups_that_are_gone_are_no_trouble(tmp_path: Path) -> None:
    gone = [str(tmp_path / "gone")]
    assert not out_of_memory(gone)
    assert kill_all(gone)
    assert remove(gone)
