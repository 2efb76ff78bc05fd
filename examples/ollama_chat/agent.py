"""Talks to a model on an Ollama server through the `ollama` package, and streams what it says.

Where the server is and which model to use come from the test's model setting: OLLAMA_BASE_URL and MODEL_ID.
"""

import os

import ollama

SERVER = os.environ.get("OLLAMA_BASE_URL", "http://127.0.0.1:11434")
MODEL = os.environ.get("MODEL_ID", "llama3.2")


async def run(query: str) -> dict:
    """Ask, show the answer as it comes, return it with the token figures."""
    client = ollama.AsyncClient(host=SERVER)
    messages = [
        {"role": "system", "content": "Answer in one sentence."},
        {"role": "user", "content": query},
    ]
    print(f"INFO: asking {MODEL}")
    answer, usage = "", {}
    async for part in await client.chat(model=MODEL, messages=messages, stream=True):
        if part.message.content:
            answer += part.message.content
            print(part.message.content, flush=True)
        if part.done:
            usage = {"input_tokens": part.prompt_eval_count or 0, "output_tokens": part.eval_count or 0}
    return {"answer": answer, "model": MODEL, "usage": usage}
