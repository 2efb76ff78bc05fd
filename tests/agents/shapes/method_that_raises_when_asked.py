# answer: "how are you?"
# call: "agent.invoke(query)"
"""A property that raises is none that can be called."""


class Agent:
    @property
    def run_sync(self):
        raise RuntimeError("not connected")

    def invoke(self, text):
        return text


agent = Agent()
