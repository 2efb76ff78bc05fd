# answer: "how are you?"
# call: "agent.ask(query)"
"""run() takes nothing; ask() takes the question."""


class Agent:
    def run(self):
        raise AssertionError("without the query")

    def ask(self, question):
        return question


agent = Agent()
