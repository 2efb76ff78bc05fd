# answer: "howareyou?"
# call: "run(query)"
"""Tokens, as they come."""


async def run(query):
    for word in query.split():
        yield word
