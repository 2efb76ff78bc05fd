"""Log groups of CloudWatch: that there is one, how long it keeps what is written, and how much that is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from shared.aws.connect import Aws
from shared.aws.failures import AwsError, Kind
from shared.aws.rates import Api

if TYPE_CHECKING:
    from types_boto3_logs.type_defs import PutRetentionPolicyRequestTypeDef

# API reference PutRetentionPolicy: no other numbers are accepted.
_DAYS: Final = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)


async def ensure_group(aws: Aws, name: str, *, days: int) -> bool:
    """Makes the log group where it is not there; False where it is, and then keeps the retention that it has.

    `days` is rounded up to what CloudWatch knows. Raises AwsError."""
    answer = await aws.call(Api.DESCRIBE_LOG_GROUPS, aws.logs.describe_log_groups, logGroupNamePrefix=name)
    if any(group.get("logGroupName") == name for group in answer["logGroups"]):
        return False
    try:
        await aws.call(Api.CREATE_LOG_GROUP, aws.logs.create_log_group, logGroupName=name)
    except AwsError as error:
        if error.kind is not Kind.CONFLICT:  # else another replica was faster
            raise
    days = next((allowed for allowed in _DAYS if allowed >= days), _DAYS[-1])
    retention = cast("PutRetentionPolicyRequestTypeDef", {"logGroupName": name, "retentionInDays": days})
    await aws.call(Api.PUT_RETENTION_POLICY, aws.logs.put_retention_policy, **retention)
    return True


async def stored_bytes(aws: Aws, name: str) -> int | None:
    """How much the log group keeps, as CloudWatch counts it (compressed, hours late); None where there is none.

    Raises AwsError."""
    answer = await aws.call(Api.DESCRIBE_LOG_GROUPS, aws.logs.describe_log_groups, logGroupNamePrefix=name)
    found = [group for group in answer["logGroups"] if group.get("logGroupName") == name]
    return found[0].get("storedBytes", 0) if found else None
