"""What an agent in the sandbox sees of the machine, of us and of others: as good as nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from services.orchestrator.runtimes.process import ProcessRuntime
from tests.contract.runtime_worlds import answer, output, spec
from tests.support.until import until


async def test_it_sees_nothing_of_our_environment(sandboxes: ProcessRuntime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_SECRET", "do-not-tell")
    code = """
        import os
        from pathlib import Path
        def run(query):
            seen = dict(os.environ)
            for path in Path("/proc").glob("[0-9]*/environ"):
                try:
                    seen[str(path)] = path.read_bytes().decode()
                except OSError:
                    pass
            return seen
    """
    seen = await answer(sandboxes, spec(agent_code=code, env={"MODEL_KEY": "for-the-agent"}))
    assert seen["MODEL_KEY"] == "for-the-agent"
    assert seen["HOME"] == "/work"
    text = repr(seen)
    assert "do-not-tell" not in text
    assert not [name for name in os.environ if name.startswith(("ASSAY_", "PYTEST_")) and name in text]


async def test_it_sees_no_files_of_the_host(sandboxes: ProcessRuntime, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("x")
    code = f"""
        import os
        def run(query):
            return {{
                "root": sorted(os.listdir("/")),
                "home": os.path.exists("/root") or os.path.exists("/home"),
                "secret": os.path.exists({str(secret)!r}),
                "tmp": os.listdir("/tmp"),
                "docker": os.path.exists("/var/run/docker.sock") or os.path.exists("/run/docker.sock"),
                "cgroup": os.path.exists("/sys/fs/cgroup"),
                "etc": sorted(os.listdir("/etc")),
                "passwd": open("/etc/passwd").read(),
            }}
    """
    seen = await answer(sandboxes, spec(agent_code=code))
    assert {"root", "home", "var", "run", "sys", "opt", "srv"}.isdisjoint(seen["root"])
    assert not [name for name in ("home", "secret", "docker", "cgroup") if seen[name]]
    assert seen["tmp"] == []
    assert "shadow" not in seen["etc"]
    assert "root:" not in seen["passwd"]


async def test_it_can_write_to_its_own_folders_only(sandboxes: ProcessRuntime) -> None:
    code = """
        def run(query):
            wrote = []
            for folder in ("/", "/usr", "/usr/lib", "/etc", "/assay", "/env", "/cache", "/proc", "/dev",
                           "/work", "/tmp", "/dev/shm"):
                try:
                    with open(folder + "/trial", "w") as file:
                        file.write("x")
                except OSError:
                    continue
                wrote.append(folder)
            return wrote
    """
    assert await answer(sandboxes, spec(agent_code=code)) == ["/work", "/tmp", "/dev/shm"]


async def test_its_own_folders_have_a_bound(sandboxes: ProcessRuntime) -> None:
    code = """
        import os
        def run(query):
            return {folder: os.statvfs(folder).f_blocks * os.statvfs(folder).f_frsize >> 20
                    for folder in ("/work", "/tmp", "/dev/shm")}
    """
    sizes = await answer(sandboxes, spec(agent_code=code, memory_mib=128))
    assert set(sizes.values()) == {128}


async def test_it_sees_no_processes_but_its_own(sandboxes: ProcessRuntime) -> None:
    code = """
        import os
        def run(query):
            return [open(f"/proc/{pid}/comm").read().strip() for pid in os.listdir("/proc") if pid.isdigit()]
    """
    assert await answer(sandboxes, spec(agent_code=code)) == ["python3", "python3"]


async def test_it_has_no_rights(sandboxes: ProcessRuntime) -> None:
    code = """
        import ctypes, os
        def run(query):
            status = dict(line.split(":", 1) for line in open("/proc/self/status").read().splitlines())
            libc = ctypes.CDLL(None, use_errno=True)
            return {
                "caps": [int(status[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")],
                "no_new_privs": status["NoNewPrivs"].strip(),
                "ids": [os.getuid(), os.geteuid(), os.getgid(), os.getgroups()],
                "new_user_namespace": libc.unshare(0x10000000),
                "mount": libc.mount(b"none", b"/tmp", b"tmpfs", 0, None),
                "hostname": os.uname().nodename,
            }
    """
    seen = await answer(sandboxes, spec(agent_code=code))
    assert seen["caps"] == [0, 0, 0, 0, 0]
    assert seen["no_new_privs"] == "1"
    assert seen["ids"][:3] == [1000, 1000, 1000]
    assert 0 not in seen["ids"][3]
    assert (seen["new_user_namespace"], seen["mount"]) == (-1, -1)
    assert seen["hostname"] == "agent"


async def test_it_learns_neither_the_nonce_nor_our_files(sandboxes: ProcessRuntime) -> None:
    task = spec(
        agent_code="""
            import gc, os
            def run(query):
                links = [f"/proc/self/fd/{fd}" for fd in range(100)]
                fds = {link: os.readlink(link) for link in links if os.path.lexists(link)}
                try:
                    harness = [os.readlink(f"/proc/1/fd/{fd}") for fd in os.listdir("/proc/1/fd")]
                except OSError as error:
                    harness = type(error).__name__
                texts = [o for o in gc.get_objects() if isinstance(o, (dict, list, tuple, set))]
                return {"fds": fds, "harness": harness, "memory": repr(texts), "argv": open("/proc/1/cmdline").read()}
        """
    )
    seen = await answer(sandboxes, task)
    assert task.nonce not in repr(seen)
    assert "/tasks/" not in repr(seen["fds"])
    assert seen["harness"] == "PermissionError"


async def test_it_cannot_reach_another_test(sandboxes: ProcessRuntime) -> None:
    """Another agent writes a mark into every place it has and waits: none of it is there for this one."""
    neighbour = spec(
        agent_code="""
            import time
            def run(query):
                for folder in ("/work", "/tmp", "/dev/shm"):
                    open(folder + "/neighbour", "w").close()
                print("written")
                time.sleep(30)
        """
    )
    other = await sandboxes.launch(neighbour)
    try:
        await until(lambda: any(line.get("text") == "written" for line in output(other)))
        code = """
            import os
            def run(query):
                found = [os.path.join(top, name) for top, _, names in os.walk("/") if not top.startswith("/usr")
                         for name in names if name == "neighbour"]
                killed = []
                for pid in range(2, 5000):
                    if pid != os.getpid():
                        try:
                            os.kill(pid, 9)
                            killed.append(pid)
                        except OSError:
                            pass
                return [found, killed]
        """
        assert await answer(sandboxes, spec(agent_code=code)) == [[], []]
    finally:
        await sandboxes.cleanup(other.handle)
