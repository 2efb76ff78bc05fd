"""The program: the server, a worker, or a health check."""

from __future__ import annotations

import sys

from services.packager.server_src.script_runs import be_the_script
from services.packager.server_src.service import check, serve
from services.packager.server_src.settings import Settings
from services.packager.server_src.worker import work

if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        work(Settings(), int(sys.argv[2]), int(sys.argv[3]))
    elif sys.argv[1:2] in (["--script"], ["--script-without-query"]):
        be_the_script(Settings(), with_query=sys.argv[1] == "--script")
    else:
        sys.exit(check(Settings()) if sys.argv[1:] == ["--check"] else serve(Settings()))
