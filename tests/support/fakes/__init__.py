"""Small real classes that stand in for a port: they keep what they were given, and can be told to fail."""
