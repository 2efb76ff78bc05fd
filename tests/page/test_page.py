"""The page's own tests: components in a made-up browser, against a made-up console (vitest)."""

import os
import subprocess

import pytest

from deploy.setup import node, page
from deploy.setup.steps import run_all


@pytest.mark.slow
def test_the_tests_of_the_page_pass() -> None:
    if run_all(page.EVERYTHING) != 0:
        pytest.skip("the page's libraries are not here (make page says why)")
    ran = subprocess.run(
        [node.npm(), "--prefix", str(page.WEB), "test"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        env=os.environ | node.environment() | {"NO_COLOR": "1", "CI": "1"},
    )
    assert ran.returncode == 0, ran.stdout
