"""Signing in: with a key, with a one-time code, with OpenID Connect; and the sealed cookie that holds a session."""
