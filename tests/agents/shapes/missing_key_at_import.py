# code: "AGENT_IMPORT_ERROR"
# message: "OPENAI_API_KEY"
# hint: "pass it with --env OPENAI_API_KEY"
"""Case 44."""
import os

API_KEY = os.environ["OPENAI_API_KEY"]


def run(query):
    return "ok"
