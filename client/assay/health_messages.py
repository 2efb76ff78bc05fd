"""How a server is, from the API's messages to the SDK's values. Owns how the messages look."""

from __future__ import annotations

from datetime import timedelta

from google.protobuf.message import Message

from assay import report_messages, translate
from assay.health import HealthCheck, HealthState, ServiceError, ServiceHealth, StorageUse, SystemHealth
from assay.translate import moment
from assay.v1 import admin_service_pb2 as pb

_STATES = {
    pb.HEALTH_STATE_HEALTHY: HealthState.HEALTHY,
    pb.HEALTH_STATE_DEGRADED: HealthState.DEGRADED,
    pb.HEALTH_STATE_UNHEALTHY: HealthState.UNHEALTHY,
}


def system_health(message: pb.GetSystemHealthResponse) -> SystemHealth:
    return SystemHealth(
        state=_STATES.get(message.state, HealthState.UNKNOWN),
        services=tuple(_service(one) for one in message.services),
        dependencies=tuple(_check(one) for one in message.dependencies),
        queue=translate.queue_status(message.queue) if message.HasField("queue") else None,
        dead_letters=message.dead_letter_count if message.HasField("dead_letter_count") else None,
        storage=_storage(message.storage) if message.HasField("storage") else None,
        last_hour=report_messages.figures(message.last_hour) if message.HasField("last_hour") else None,
        time=moment(message, "time"),
    )


def _service(message: pb.ServiceHealth) -> ServiceHealth:
    error = message.last_error
    return ServiceHealth(
        service=message.service,
        instance=message.instance,
        version=message.version,
        state=_STATES.get(message.state, HealthState.UNKNOWN),
        checks=tuple(_check(one) for one in message.checks),
        started=moment(message, "start_time"),
        last_seen=moment(message, "last_seen_time"),
        lag=_span(message, "lag"),
        last_error=ServiceError(error.message, moment(error, "time")) if message.HasField("last_error") else None,
    )


def _check(message: pb.HealthCheck) -> HealthCheck:
    state = _STATES.get(message.state, HealthState.UNKNOWN)
    return HealthCheck(message.name, state, message.detail, _span(message, "latency"))


def _storage(message: pb.StorageUse) -> StorageUse:
    return StorageUse(
        bucket=message.bucket,
        package_count=message.package_count,
        package_bytes=message.package_bytes,
        log_group=message.log_group,
        log_group_bytes=message.log_group_bytes if message.HasField("log_group_bytes") else None,
    )


def _span(message: Message, field: str) -> timedelta | None:
    if not message.HasField(field):
        return None
    duration = getattr(message, field)
    return timedelta(seconds=duration.seconds, microseconds=duration.nanos // 1000)
