# code: "ENTRYPOINT_AMBIGUOUS"
# message: "run(query), answer(question)"
"""Nothing tells which of them is the agent."""


def run(query):
    return "run"


def answer(question):
    return "answer"
