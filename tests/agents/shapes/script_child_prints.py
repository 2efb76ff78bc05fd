# entrypoint: "__main__"
# answer: "first\nhow are you?"
"""What children print is part of the answer; its main module can be pickled and imported."""
import dataclasses
import pickle
import subprocess
import sys


@dataclasses.dataclass
class Note:
    text: str


if __name__ == "__main__":
    assert pickle.loads(pickle.dumps(Note("x"))) == Note("x")
    assert sys.modules["__main__"].Note is Note
    print("first", flush=True)
    subprocess.run(["echo", sys.argv[1]], check=True)
