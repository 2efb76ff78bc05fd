# answer: "uptime for how are you?: ok"
# call: "main(query)"
# candidates: ["run(command)"]
"""Case 07: run() is a helper here; main(query) is the agent."""
import subprocess


def run(command):
    return subprocess.run(command, shell=True, capture_output=True, text=True).stdout


def main(query):
    return f"uptime for {query}: " + run("echo ok").strip()
