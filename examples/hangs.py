"""An agent that hangs: it waits for an answer that never comes. The time limit ends it (try `--timeout 5`).

What it was doing when it was stopped is in its log: look for "most recent call first".
"""

import threading


def wait_for_the_other_side(answered: threading.Event) -> None:
    """Nobody will ever set this event."""
    answered.wait()


def run(query: str) -> str:
    """Ask and wait."""
    print("INFO: asked, waiting for an answer")
    wait_for_the_other_side(threading.Event())
    return "never reached"
