"""The steps of `make setup`, in order. Safe to repeat; without network where nothing changed."""

from __future__ import annotations

import os
import sys

from deploy.setup import emulator, mongod, page, python, stubs, system
from deploy.setup.steps import PROJECT, run_all


def main() -> int:
    os.chdir(PROJECT)
    libraries = [system.STEP, python.ENVIRONMENT, python.LIBRARIES, mongod.STEP, emulator.STEP]
    return run_all([*libraries, stubs.STEP, python.ASSAY, *page.STEPS])


if __name__ == "__main__":
    sys.exit(main())
