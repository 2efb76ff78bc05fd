# answer: "answer to how are you?"
# call: "main(query)"
"""An async entry point, and a script beside it."""
import asyncio


async def main(prompt: str) -> str:
    await asyncio.sleep(0)
    return f"answer to {prompt}"


if __name__ == "__main__":
    import sys

    print(asyncio.run(main(sys.argv[1])))
