# answer: {"content": "how are you?", "sources": ["a"], "steps": ["search", "answer"]}
# call: "agent.run(query)"
"""A class that looks like a message and an iterable, and is more than either."""


class Result:
    def __init__(self, content):
        self.content = content
        self.sources = ["a"]
        self.steps = ["search", "answer"]

    def __iter__(self):
        return iter(self.steps)


class Agent:
    def run(self, query):
        return Result(query)


agent = Agent()
