# query: "{\"topic\": \"tea\"}"
# answer: {"topic": "tea"}
# call: "crew.kickoff(json(query))"
# candidates: ["agent (Agent)"]
"""The whole goes before its parts."""


class Agent:
    def kickoff(self, messages):
        return "one agent"


class Crew:
    def __init__(self, agents):
        self.agents = agents

    def kickoff(self, inputs: dict):
        return inputs


agent = Agent()
crew = Crew([agent])
