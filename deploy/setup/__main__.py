"""The steps of `make setup`, in order. Safe to repeat; without network where nothing changed."""

from __future__ import annotations

import os
import sys

from deploy.setup import emulator, mongod, python, stubs, system
from deploy.setup.steps import PROJECT, run_all


def main() -> int:
    os.chdir(PROJECT)
    return run_all(
        [system.STEP, python.ENVIRONMENT, python.LIBRARIES, mongod.STEP, emulator.STEP, stubs.STEP, python.ASSAY]
    )


if __name__ == "__main__":
    sys.exit(main())
