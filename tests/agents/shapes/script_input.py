# entrypoint: "__main__"
# answer: "> how are you? how are you?"
"""A script that asks on its standard input."""
import os

asked = input("> ")
print(asked, os.environ["ASSAY_QUERY"])
