# answer: "how are you?"
# call: "run(query)"
"""As an HTTP client gives them."""


async def run(query):
    for start in range(0, len(query), 4):
        yield query[start : start + 4].encode()
