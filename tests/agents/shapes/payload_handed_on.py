# answer: "The answer to how are you?"
# call: "invoke(query)"
# candidates: ["agent (Agent)"]
"""Case 08 without strands: the handler hands its payload to the agent as it is, which takes text."""


class Agent:
    def __call__(self, prompt):
        if not isinstance(prompt, str):
            raise ValueError("Input prompt must be of type str")
        return f"The answer to {prompt}"


agent = Agent()


def invoke(payload):
    return agent(payload)
