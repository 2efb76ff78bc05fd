"""The tests that there are: lists, the archive, how the tests of an agent went."""
