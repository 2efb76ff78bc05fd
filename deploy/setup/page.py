"""The console's page: its libraries from npm, the types of the API, and the built page in services/console/web/dist.

Local mode works without it, so a machine that cannot have it is told why, and no more. Checks and tests of the page
need libraries that the page itself does not: they ask for them when they run (`EVERYTHING`).
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from deploy.setup import node
from deploy.setup.python import PYTHON
from deploy.setup.steps import LOG, PROJECT, CommandFailed, Missing, Step, command

WEB = PROJECT / "services" / "console" / "web"
BUILT = WEB / "dist"
PROTO = PROJECT / "proto"
LIBRARIES_STAMP = WEB / "node_modules" / ".installed"  # goes with the folder
BUILT_STAMP = BUILT / ".built-from"
SOURCES = ("index.html", "package.json", "package-lock.json", "tsconfig.json", "vite.config.ts", "src", "public")
GENERATED = WEB / "src" / "gen"
TYPES_STAMP = GENERATED / ".made-of"
FOR_THE_BUILD, ALL = "to build", "all"
REGISTRY = "a registry of npm packages that can be reached from here    # libraries of the console's page"
AGAIN = "then: make page    # the page of the console"


def npm(*words: str) -> None:
    """Runs it in the folder of the page, quietly. Raises CommandFailed, and Missing where there is no npm."""
    command(node.npm(), "--prefix", str(WEB), *words, env=node.environment() | {"NO_COLOR": "1"})


def _libraries_wanted() -> str:
    digest = hashlib.sha256()
    for name in ("package.json", "package-lock.json", ".npmrc"):
        digest.update((WEB / name).read_bytes())
    digest.update(os.fsencode(WEB))
    return digest.hexdigest()


def _installed_last() -> tuple[str, str]:
    """Which libraries were installed, and by what list."""
    if not LIBRARIES_STAMP.exists():
        return "", ""
    which, _, by = LIBRARIES_STAMP.read_text("utf-8").rpartition(" ")
    return which, by


def _has_libraries(which: str) -> bool:
    installed, by = _installed_last()
    return by == _libraries_wanted() and installed in {which, ALL}


def _install(which: str) -> str:
    if _installed_last()[0] == ALL:
        which = ALL  # whoever runs the checks will run them again
    LIBRARIES_STAMP.unlink(missing_ok=True)
    words = ["ci", *(["--omit=dev"] if which == FOR_THE_BUILD else [])]
    try:
        # What was fetched before is enough without a network; one that does not answer is not waited for.
        npm(*words, "--prefer-offline", "--fetch-retries=1", "--fetch-retry-mintimeout=1000", "--loglevel=error")
    except CommandFailed as failure:
        raise Missing(f"{REGISTRY}\n({failure}; see {LOG.relative_to(PROJECT)})") from failure
    LIBRARIES_STAMP.write_text(f"{which} {_libraries_wanted()}", "utf-8")
    return f"{sum(1 for _ in _installed())} locked ({which}), from package-lock.json"


def _installed() -> Iterator[Path]:
    for folder in (WEB / "node_modules").iterdir():
        if folder.name.startswith("@"):
            yield from folder.iterdir()
        elif not folder.name.startswith("."):
            yield folder


def _sources() -> str:
    """What the page is made of; the types are made of proto/, which stands for them."""
    digest = hashlib.sha256()
    for path in sorted([*_files(), *_proto()]):
        digest.update(f"{path.relative_to(PROJECT)}:{path.stat().st_size}\n".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _proto() -> list[Path]:
    return sorted([PROTO / "page_types.py", *PROTO.glob("assay/v1/*.proto")])


def _files() -> Iterator[Path]:
    for source in (WEB / name for name in SOURCES):
        if source.is_file():
            yield source
        for folder, folders, names in os.walk(source):
            if Path(folder) == GENERATED:
                folders.clear()
            else:
                yield from (Path(folder) / name for name in names)


def _build() -> str:
    if node.bin_folder() is None or not _has_libraries(FOR_THE_BUILD):
        raise Missing(AGAIN)
    sources = _sources()
    _build_types()
    npm("run", "--silent", "build")
    BUILT_STAMP.write_text(sources, "utf-8")
    size = sum(path.stat().st_size for path in BUILT.rglob("*") if path.is_file())
    return f"{size / 1e6:.1f} MB in {BUILT.relative_to(PROJECT)}"


def _types_wanted() -> str:
    digest = hashlib.sha256()
    for path in (WEB / "package-lock.json", *_proto()):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _has_types() -> bool:
    return TYPES_STAMP.exists() and TYPES_STAMP.read_text("utf-8") == _types_wanted()


def _build_types() -> str:
    if not _has_types():
        command(str(PYTHON), str(PROTO / "page_types.py"), env=node.environment())
        TYPES_STAMP.write_text(_types_wanted(), "utf-8")
    return "built from proto/"


def _built() -> bool:
    return BUILT_STAMP.exists() and BUILT_STAMP.read_text("utf-8") == _sources()


STEPS = (
    replace(node.STEP, needed=lambda: not _built() and node.bin_folder() is None),
    Step(
        "libraries of the page",
        lambda: not _built() and node.bin_folder() is not None and not _has_libraries(FOR_THE_BUILD),
        lambda: _install(FOR_THE_BUILD),
        optional=True,
    ),
    Step("page of the console", lambda: not _built(), _build, optional=True),
)
"""For set-up."""
EVERYTHING = (
    node.STEP,
    Step("libraries of the page, and of its checks", lambda: not _has_libraries(ALL), lambda: _install(ALL)),
    Step("types of the API for the page", lambda: not _has_types(), _build_types),
)
"""For checks and tests of the page."""


def main() -> int:
    """`make page`, after set-up: says whether it is there."""
    if not _built():
        print("the page of the console could not be built: see above", file=sys.stderr)
        return 1
    print(f"  the page of the console is in {BUILT.relative_to(PROJECT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
