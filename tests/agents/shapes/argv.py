# answer: "how are you?"
# call: "main([query])"
"""The convention of command lines."""
import argparse


def main(argv=None):
    parser = argparse.ArgumentParser()
    parser.add_argument("question")
    return parser.parse_args(argv).question
