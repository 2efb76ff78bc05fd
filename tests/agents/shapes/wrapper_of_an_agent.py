# answer: "RAW HOW ARE YOU?"
# call: "run(query)"
# candidates: ["agent (Agent)"]
"""A function that uses the agent goes before the agent."""


class Agent:
    def run_sync(self, prompt):
        return f"raw {prompt}"


agent = Agent()


def helper(text):
    return agent.run_sync(text)


def run(query):
    return helper(query).upper()
