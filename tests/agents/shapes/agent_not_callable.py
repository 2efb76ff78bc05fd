# code: "ENTRYPOINT_NOT_FOUND"
# message: "'agent' is in agent.py, but it is of the type Agent: no function, and without a method to call (such as run_sync, invoke, run or __call__). Where Runner runs it, write a function that does: def run(query): return Runner.run_sync(agent, query)."
"""Case 45: openai-agents' shape: `agent` is a description, a Runner runs it."""


class Agent:
    def __init__(self, name, instructions):
        self.name, self.instructions = name, instructions


class Runner:
    @staticmethod
    def run_sync(agent, text):
        return f"{agent.name}: {text}"


agent = Agent("Assistant", "be helpful")

if __name__ == "__main__":
    print(Runner.run_sync(agent, "Write a haiku"))
