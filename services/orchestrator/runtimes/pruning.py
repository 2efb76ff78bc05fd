"""What the process runtime throws away in the course of time: outputs that were read, environments that nobody
uses, and what crashes left behind.

Blocking; runs in a thread now and then, and beside other runtimes on the same folder.
"""

from __future__ import annotations

import contextlib
import shutil
import time
from pathlib import Path
from typing import Final

from services.orchestrator.runtimes import cgroups
from services.orchestrator.runtimes.environments import Environments
from services.orchestrator.runtimes.host import Host
from services.orchestrator.runtimes.processes import Identity, Life, life
from services.orchestrator.runtimes.task_folder import OUTPUT, STAGES, TaskFolder

_VIEWS_S: Final = 86_400.0  # longer than any test runs; one for each set of packages that tests name, and soon made
_MOST_VIEWS: Final = 200
"""Beyond that the longest unused go sooner, but none that a test may still run in."""
_LONGEST_TEST_S: Final = 7 * 3600.0  # 6 h, and its installation
_LEFTOVER_S: Final = 3600.0  # no trial or staging takes so long


def prune(host: Host, environments: Environments, *, outputs_s: float, environments_s: float) -> None:
    """Removes outputs of cleaned tasks that are older, and environments unused for longer, than so many seconds."""
    _outputs(host.root / "tasks", time.time() - outputs_s)
    environments.prune(older_than_s=environments_s)
    limit, in_use_s = host.options.build_disk_mib << 20, 2 * host.options.build_timeout_s
    host.caches.prune(older_than_s=environments_s, larger_than=limit, unused_for_s=in_use_s)
    _folders(host.root / "trials", time.time() - _LEFTOVER_S)
    current = host.view.current().folder
    views_s = min(max(environments_s, _LEFTOVER_S), _VIEWS_S)
    _folders(current.parent, time.time() - views_s, but=current)
    _surplus(current.parent, _MOST_VIEWS, time.time() - _LONGEST_TEST_S, but=current)
    host.view.copies.prune(older_than_s=_LEFTOVER_S)
    remove_orphaned_groups(host)


def _outputs(tasks: Path, limit: float) -> None:
    for path in tasks.iterdir():
        with contextlib.suppress(OSError):  # somebody else is at it
            if [entry.name for entry in path.iterdir()] == [OUTPUT] and (path / OUTPUT).stat().st_mtime < limit:
                shutil.rmtree(path)


def _folders(parent: Path, limit: float, but: Path | None = None) -> None:
    for path in parent.iterdir():
        with contextlib.suppress(OSError):
            if path != but and path.stat().st_mtime < limit:
                shutil.rmtree(path, ignore_errors=True)


def _surplus(parent: Path, most: int, limit: float, but: Path) -> None:
    """Removes the oldest of more than `most` folders, as far as they are older than `limit`."""
    ages: list[tuple[float, Path]] = []
    for path in parent.iterdir():
        with contextlib.suppress(OSError):
            ages.append((path.stat().st_mtime, path))
    for made, path in sorted(ages)[:-most]:
        if made < limit and path != but:
            shutil.rmtree(path, ignore_errors=True)


def remove_orphaned_groups(host: Host) -> bool:
    """Removes cgroups whose fork server was killed before it could do so, and which no task's record names any more.
    False while a process of one is still on its way out."""
    orphans = [
        group
        for parent in (host.groups.folders() if host.groups else [])
        for group in Path(parent).iterdir()
        if group.is_dir() and _orphan(host, group)
    ]
    if not orphans:
        return True
    named: set[str] = set()
    for path in (host.root / "tasks").iterdir():
        for stage in STAGES:
            if record := TaskFolder(str(path)).record(stage):
                named.update(record.cgroups)
    return cgroups.remove([str(group) for group in orphans if str(group) not in named])


def _orphan(host: Host, group: Path) -> bool:
    pid, _, rest = group.name.partition("-")
    start = rest.partition("-")[0]
    if not (pid.isdigit() and start.isdigit()):
        return False
    return life(Identity(int(pid), int(start), host.boot), boot=host.boot) is not Life.ALIVE
