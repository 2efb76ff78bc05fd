"""Sign-in with OpenID Connect: tokens of a sign-in service in the place of API keys."""
