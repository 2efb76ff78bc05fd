"""Where tasks have their work folders: in the data folder, unless sandboxes could not reach them there.

As root a sandbox runs under a user of its own, who cannot pass through a home such as /root (mode 0700). Without this
it would not start, and agents would run unprotected.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from pathlib import Path

STATE = Path("/var/lib/assay")
MARK = "belongs-to"


def task_root(folder: Path, *, state: Path = STATE) -> Path:
    """The folder for the process runtime of the local mode whose data is in `folder`."""
    if os.geteuid() != 0 or others_may_pass(folder):
        return folder / "tasks"
    _remove_forsaken(state)
    root = state / hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    root.mkdir(parents=True, exist_ok=True)
    for passage in (state, root):
        passage.chmod(0o711)
    (root / MARK).write_text(f"{folder}\n", "utf-8")
    return root


def others_may_pass(folder: Path) -> bool:
    return all(path.stat().st_mode & stat.S_IXOTH for path in (folder, *folder.parents))


def _remove_forsaken(state: Path) -> None:
    """Work folders whose data folder is gone: nobody will look after what is in them."""
    for mark in state.glob(f"*/{MARK}"):
        if not Path(mark.read_text("utf-8").rstrip("\n")).exists():
            shutil.rmtree(mark.parent, ignore_errors=True)
