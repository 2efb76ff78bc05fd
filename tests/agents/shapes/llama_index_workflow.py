# answer: "how are you?"
# call: "agent.run(user_msg=query)"
"""llama-index: only a running loop can start it."""
import asyncio


class AgentWorkflow:
    def run(self, user_msg=None, chat_history=None, **kwargs):
        return asyncio.get_running_loop().create_task(self.work(user_msg))

    async def work(self, text):
        return text


AgentWorkflow.__module__ = "llama_index.core.agent.workflow"
agent = AgentWorkflow()
