# code: "QUERY_NOT_ACCEPTED"
# message: "it parses options only (parse_known_args)"
"""What is no option is passed over without a word."""
import argparse
def main(argv=None):
    parser = argparse.ArgumentParser()
    parser.add_argument("--query", default="none")
    known, _ = parser.parse_known_args(argv)
    return "asked: " + known.query
