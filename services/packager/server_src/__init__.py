"""Answers queries over HTTP with the agent in agent.py. Needs Python 3.9 or later and nothing else.

    POST /query    {"query": "..."}  ->  {"response": ...}
    GET  /healthz  200 while it can answer, else 503

One process serves HTTP and never loads the agent; the agent lives in worker processes, each of which answers one query
at a time. So a query that takes too long is ended for certain, and a worker that crashes costs one answer and not the
service. What is called in agent.py follows the rules of the test that this package was made of.

Settings are environment variables (README.md), with defaults in agent.json.
"""
