# entrypoint: "__main__"
# code: "AGENT_IMPORT_ERROR"
# message: "agent.py, line 6: '(' was never closed"
"""A script that is no Python."""

x = (
