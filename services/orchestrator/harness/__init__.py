"""The harness: what runs beside an agent, inside its sandbox or container.

`test_runner.py` is shipped into containers as it is, so it stands alone: it imports nothing of this repository and
nothing outside the standard library. `test_runner_rest.py` lies beside it and has what few tests need. Both are joined
from the modules of `src` (deploy/setup/join.py). What starts it, and what its output means to a test, is not its
business.
"""
