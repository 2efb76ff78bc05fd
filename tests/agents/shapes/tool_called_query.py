# answer: "agent: how are you?"
# call: "agent.invoke(query)"
# candidates: ["query(text)"]
"""A function that the agent has as a tool goes after the agent."""


class Agent:
    def __init__(self, tools):
        self.tools = tools

    def invoke(self, input):
        return f"agent: {input}"


def query(text):
    raise AssertionError("a tool")


agent = Agent(tools=[query])
