"""The places where tasks leave their output: each a `Source`."""
