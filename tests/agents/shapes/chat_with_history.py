# answer: ["how are you?", []]
# call: "chat(query, [])"
"""As Gradio's ChatInterface calls it."""


def chat(message, history):
    return [message, history]
