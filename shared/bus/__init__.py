"""The only place with FastStream and NATS set-up. Carries facts; knows nothing of what they lead to."""
