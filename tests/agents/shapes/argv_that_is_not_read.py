# code: "QUERY_NOT_ACCEPTED"
# message: "main(argv=None) cannot take the query: its code never reads argv"
"""The parser is asked without it, and has a default for all that it wants."""
import argparse
def main(argv=None):
    parser = argparse.ArgumentParser()
    parser.add_argument("--topic", default="cats")
    return "about " + parser.parse_args().topic
