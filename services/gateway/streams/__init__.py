"""Followed tests: one bus subscription and one reader of the store for each, however many clients follow it."""
