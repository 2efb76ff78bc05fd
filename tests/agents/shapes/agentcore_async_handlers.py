# answer: {"prompt": "how are you?", "session": true, "headers": {}}
# call: "strands_agent({\"prompt\": query}, context)"
"""The app keeps its handlers by name, the handler has another parameter, and asks its context for the session."""


class BedrockAgentCoreApp:
    def __init__(self):
        self.handlers = {}

    def entrypoint(self, function):
        self.handlers["main"] = function
        return function


app = BedrockAgentCoreApp()


def run(command):
    raise AssertionError("a helper")


@app.entrypoint
async def strands_agent(request, context):
    return {"prompt": request["prompt"], "session": bool(context.session_id), "headers": context.request_headers}
