# code: "AGENT_EXCEPTION"
# message: "EOF when reading a line"
# hint: "The agent asked for input, and nobody is there to type."
"""input(), and nobody there."""


def run(query):
    return input("Your name? ")
