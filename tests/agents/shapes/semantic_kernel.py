# answer: "how are you?"
# call: "agent.get_response(messages=query)"
"""semantic-kernel: invoke streams, get_response answers."""


class ChatCompletionAgent:
    async def invoke(self, messages=None, *, thread=None):
        raise AssertionError("a stream")
        yield

    async def get_response(self, messages=None, *, thread=None, **kwargs):
        return messages


ChatCompletionAgent.__module__ = "semantic_kernel.agents.chat_completion"
agent = ChatCompletionAgent()
