# answer: "how are you?"
# call: "agent(task=query)"
"""Of what takes anything the code looks at the keywords only."""
class Agent:
    def __call__(self, *args, **kwargs):
        return kwargs.get("task") or "nothing"


agent = Agent()
