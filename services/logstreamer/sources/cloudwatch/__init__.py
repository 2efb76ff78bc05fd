"""Output in CloudWatch Logs: all streams of a group are read together, however many tests write them."""
