"""The gRPC API: authentication, validation, reads and live streams. Knows neither ECS nor the order of the queue."""

import os

# gRPC's core hooks into every fork() and complains on stderr when it cannot; we only ever fork to exec. It reads this
# when it is loaded, so it must be said before the first import of grpc.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
