# answer: ["client", "how are you?"]
# call: "run(query)"
"""functools.partial."""
from functools import partial


def ask(client, question):
    return [client, question]


run = partial(ask, "client")
