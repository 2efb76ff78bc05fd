# code: "AGENT_EXCEPTION"
# message: "The api_key client option"
# hint: "The environment variable OPENAI_API_KEY is not set: pass it with --env OPENAI_API_KEY."
"""As the SDKs say it."""


class OpenAIError(Exception):
    pass


def run(query):
    raise OpenAIError(
        "The api_key client option must be set either by passing api_key to the client or by setting the "
        "OPENAI_API_KEY environment variable"
    )
