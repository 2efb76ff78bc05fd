# code: "ENTRYPOINT_AMBIGUOUS"
# message: "run(command), solve_task(question)"
"""run() is a helper, and the agent has a name of its own."""
import subprocess


def run(command):
    return subprocess.run(command, shell=True, capture_output=True, text=True).stdout


def solve_task(question):
    return run("echo ok") + question
