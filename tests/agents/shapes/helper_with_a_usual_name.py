# code: "ENTRYPOINT_AMBIGUOUS"
# message: "execute(text), plan_trip(question)"
"""execute is what plan_trip calls: a call of it would answer, and say nothing of the agent."""


def execute(text):
    return text.upper()


def plan_trip(question):
    return "Trip for: " + execute(question)
