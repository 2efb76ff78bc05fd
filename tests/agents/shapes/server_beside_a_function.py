# answer: {"reply": "how are you?"}
# call: "chat(query)"
"""A server is not started."""


class FastAPI:
    async def __call__(self, scope, receive, send):
        raise AssertionError("a server")


FastAPI.__module__ = "fastapi.applications"
app = FastAPI()


def chat(message: str):
    return {"reply": message}
