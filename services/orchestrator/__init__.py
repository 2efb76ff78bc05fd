"""Launches, watches and stops tasks, and says how a test ended. Knows nothing of the queue's order."""
