from pathlib import Path

from services.orchestrator.runtimes.sandbox import Room, command, variables


def line(**changes: object) -> list[str]:
    room = {"view": Path("/views/1"), "memory_mib": 256, "network": True, **changes}
    return command("/usr/bin/bwrap", Room(**room), ["/usr/bin/true"])  # type: ignore[arg-type]


def following(words: list[str], option: str) -> list[list[str]]:
    return [words[at + 1 : at + 3] for at, word in enumerate(words) if word == option]


def test_the_network_is_cut_only_when_asked() -> None:
    assert "--unshare-net" not in line(network=True)
    assert "--unshare-net" in line(network=False)


def test_a_task_outlives_the_orchestrator() -> None:
    assert "--die-with-parent" not in line()
    assert "--as-pid-1" in line()


def test_nothing_of_the_host_can_be_written() -> None:
    words = line(environment=Path("/environments/1"))
    assert following(words, "--ro-bind") == [["/views/1", "/"], ["/usr", "/usr"], ["/environments/1", "/env"]]
    assert "--bind" not in words
    assert words.index("--remount-ro") > words.index("/dev/shm")  # else it could not be made


def test_an_installation_can_write_to_its_environment_and_its_cache() -> None:
    words = line(environment=Path("/e"), environment_writable=True, cache=Path("/c"), tools=Path("/t"))
    assert following(words, "--bind") == [["/e", "/env"], ["/c", "/cache"]]
    assert ["/t", "/assay/bin"] in following(words, "--ro-bind")


def test_what_is_kept_in_memory_has_the_size_of_the_memory() -> None:
    words = line(memory_mib=3)
    assert [word for word, _ in following(words, "--size")] == [str(3 << 20)] * 3
    assert [word for word, _ in following(words, "--tmpfs")] == ["/dev/shm", "/tmp", "/work"]


def test_the_program_comes_last() -> None:
    assert line()[-2:] == ["--", "/usr/bin/true"]


def test_the_environment_holds_nothing_of_the_host() -> None:
    assert set(variables(build=False)) == {
        "PATH", "HOME", "LANG", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"
    }  # fmt: skip
    assert variables(build=True)["PATH"].startswith("/assay/bin:")
