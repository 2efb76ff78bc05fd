# code: "ENTRYPOINT_AMBIGUOUS"
# message: "planner (Agent), critic_agent (Agent)"
"""A name that ends as agents' do does not make one of two agents the agent."""


class Agent:
    def __init__(self, role):
        self.role = role

    def run(self, query):
        return f"{self.role}: {query}"


planner = Agent("planner")
critic_agent = Agent("critic")
