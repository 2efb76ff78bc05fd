# answer: {"agent": "Assistant", "input": "how are you?"}
# call: "Runner.run(agent, query)"
"""openai-agents: an agent is run by the Runner of its package."""
import sys
import types


class Agent:
    handoffs = ()

    def __init__(self, name, instructions):
        self.name, self.instructions = name, instructions


class Runner:
    @classmethod
    async def run(cls, starting_agent, input):
        return {"agent": starting_agent.name, "input": input}


package = types.ModuleType("agents")
package.Agent, package.Runner = Agent, Runner
Agent.__module__ = Runner.__module__ = "agents"
sys.modules["agents"] = package
del Runner
agent = Agent("Assistant", "Be helpful.")
