"""The kernel that every service imports: domain, events, store, bus, telemetry. It never imports a service."""

from shared import waiting

waiting.install()
