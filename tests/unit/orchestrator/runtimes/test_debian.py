from __future__ import annotations

from pathlib import Path

import pytest

from services.orchestrator.runtimes import debian
from services.orchestrator.runtimes.debian import Alternative, installed, read_alternative
from services.orchestrator.runtimes.programs import alternatives_among, visible

STATUS = """\
Package: base
Essential: yes
Status: install ok installed
Architecture: amd64
Pre-Depends: libc (>= 2)
Conffiles:
 /etc/base 1234
 /etc/old 5678 obsolete
Description: first
 /etc/not-this 9999

Package: libc
Status: install ok installed
Priority: optional
Architecture: amd64
Multi-Arch: same

Package: git
Status: hold ok installed
Architecture: amd64
Depends: libc:any (>= 2.36), perl, pager | less, nothing | nobody
Recommends: ssh

Package: perl
Status: install ok installed
Architecture: amd64
Provides: perlapi-5 (= 5.36), perl-virtual
Depends: git

Package: less
Status: install ok installed
Architecture: amd64

Package: gone
Status: deinstall ok config-files
Architecture: amd64

Package: ssh
Status: install ok installed
Architecture: amd64
"""
AWK = """\
auto
/usr/bin/awk
nawk
/usr/bin/nawk
awk.1.gz
/usr/share/man/man1/awk.1.gz

/usr/bin/gawk
10
/usr/bin/gawk
/usr/share/man/man1/gawk.1.gz
/usr/bin/mawk
5
/usr/bin/mawk

"""


def names(wanted: list[str]) -> set[str]:
    return {package.name for package in installed(STATUS).closure(wanted)}


def test_what_a_package_needs_comes_along_and_what_it_recommends_does_not() -> None:
    assert names(["git"]) == {"git", "libc", "perl", "less"}


def test_what_was_removed_is_missing_and_a_name_that_somebody_provides_is_not() -> None:
    assert installed(STATUS).missing(["git", "gone", "perl-virtual", "perlapi-5", "nosuch"]) == ["gone", "nosuch"]
    assert "perl" in names(["perl-virtual"])


def test_the_base_is_what_is_essential_or_required() -> None:
    assert installed(STATUS).base() == ["base"]


def test_a_status_that_makes_no_sense_has_nothing_in_it() -> None:
    assert installed("\x00\n\nStatus: install ok installed\n\nPackage:\nStatus: x installed").by_name == {}


def test_settings_are_taken_along_only_as_they_were_shipped(tmp_path: Path) -> None:
    (package,) = installed(STATUS).closure(["base"])[:1]
    assert package.settings == (("/etc/base", "1234"),)
    shipped, changed = tmp_path / "shipped", tmp_path / "changed"
    for path in (shipped, changed):
        path.write_text("hello\n")
    settings = ((str(shipped), "b1946ac92492d2347c6235b4d2611184"), (str(changed), "0" * 32), ("/nowhere", "1"))
    assert debian.unchanged_settings([package._replace(settings=settings)]) == [str(shipped)]


def test_files_are_where_bin_leads_to(tmp_path: Path) -> None:
    (tmp_path / "info").mkdir()
    (tmp_path / "info" / "base.list").write_text("/.\n/bin\n/bin/ls\n/usr/bin/id\n/lib/x/y\n")
    (tmp_path / "info" / "libc:amd64.list").write_text("/usr/lib/libc.so\n")
    packages = installed(STATUS)
    files = debian.files_of(packages.closure(["base"]), tmp_path)
    assert {"/usr/bin/ls", "/usr/bin/id", "/usr/lib/x/y", "/usr/lib/libc.so"} < files


def test_alternatives_are_read_with_those_that_belong_to_them() -> None:
    assert read_alternative(AWK, "/usr/bin/mawk") == [
        Alternative("/usr/bin/awk", ("/usr/bin/mawk", "/usr/bin/gawk")),
        Alternative("/usr/bin/nawk", ("/usr/bin/mawk", "/usr/bin/gawk")),
        Alternative("/usr/share/man/man1/awk.1.gz", ("/usr/share/man/man1/gawk.1.gz",)),
    ]


@pytest.mark.parametrize("text", ["", "auto", "auto\n/usr/bin/x", "auto\n/usr/bin/x\n\n/usr/bin/y"])
def test_half_a_file_of_alternatives_is_no_error(text: str) -> None:
    assert all(alternative.link == "/usr/bin/x" for alternative in read_alternative(text, ""))


def test_a_name_leads_to_the_choice_of_the_machine_or_to_another_one_that_is_there() -> None:
    offered = read_alternative(AWK, "/usr/bin/gawk")
    assert alternatives_among({"/usr/bin/gawk", "/usr/bin/mawk"}, offered)["/usr/bin/awk"] == "/usr/bin/gawk"
    assert alternatives_among({"/usr/bin/mawk"}, offered) == {
        "/usr/bin/awk": "/usr/bin/mawk",
        "/usr/bin/nawk": "/usr/bin/mawk",
    }
    assert alternatives_among({"/usr/bin/ls"}, offered) == {}


@pytest.mark.skipif(debian.read() is None, reason="needs a Debian machine")
def test_on_this_machine_there_is_what_every_debian_has_and_no_compiler() -> None:
    usr = visible("/usr/bin/python3")
    assert {"/usr/bin/ls", "/usr/bin/bash", "/usr/bin/tar", "/usr/bin/perl", "/usr/bin/openssl"} <= set(usr.files)
    assert usr.links["/usr/bin/python"] == Path("/usr/bin/python3").resolve().name
    assert "/usr/bin/awk" in usr.links
    assert not {"/usr/bin/git", "/usr/bin/gcc", "/usr/bin/node"} & ({*usr.files} | usr.links.keys())
    assert "/usr/lib" in usr.shared
    assert "/usr/include" not in usr.shared
