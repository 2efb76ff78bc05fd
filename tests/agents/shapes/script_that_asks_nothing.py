# entrypoint: "__main__"
# code: "QUERY_NOT_ACCEPTED"
# message: "agent.py cannot take the query: it reads neither its command line"
# hint: "--no-query"
"""A script with a fixed question: run with a query it would pass, and never have seen it."""
import os
print("The answer about cats", os.environ.get("API_KEY", ""))
