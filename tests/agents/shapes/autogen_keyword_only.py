# answer: {"task_seen": "how are you?"}
# call: "agent.run(task=query)"
# kind: "object"
# signature: "(*, task=None, cancellation_token=None)"
"""Case 01: autogen's shape, run(*, task=None)."""


class Assistant:
    async def run(self, *, task=None, cancellation_token=None):
        return {"task_seen": task}


agent = Assistant()
