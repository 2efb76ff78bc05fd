import pytest
from google.protobuf.duration_pb2 import Duration

from assay.v1 import package_service_pb2 as pb
from services.gateway.errors import Violations
from services.gateway.packages.options import checked_options, checked_wait, hash_of
from services.packager.content.names import SERVICE_NAME
from shared.store.package_documents import PackageOptions


def wrong(**fields: object) -> list[str]:
    violations = Violations()
    checked_options(pb.PackageOptions(**fields), "options", violations)  # type: ignore[arg-type]
    return [bad.field for bad in violations.found]


def test_what_is_not_said_has_a_default() -> None:
    options = checked_options(pb.PackageOptions(), "options", Violations())
    assert options == PackageOptions(service_name="", port=8080, load_balancer=False, vpc_id="")
    assert hash_of(options) == hash_of(checked_options(pb.PackageOptions(port=8080), "options", Violations()))
    assert hash_of(options) != hash_of(options.model_copy(update={"load_balancer": True}))


@pytest.mark.parametrize("name", ["a", "my-agent", "a" * 63, "a1-"])
def test_good_service_names(name: str) -> None:
    assert wrong(service_name=name) == []
    assert SERVICE_NAME.fullmatch(name)  # who makes the content is of the same opinion


@pytest.mark.parametrize("name", ["A", "1a", "-a", "a" * 64, "a b", "a\n", "ä", "a;rm", "${a}"])
def test_bad_service_names(name: str) -> None:
    assert wrong(service_name=name) == ["options.service_name"]
    assert not SERVICE_NAME.fullmatch(name)


@pytest.mark.parametrize("port", [-1, 65536])
def test_bad_ports(port: int) -> None:
    assert wrong(port=port) == ["options.port"]


@pytest.mark.parametrize("vpc", ["vpc-0123456789abcdef0", "vpc-01234567"])
def test_good_vpcs(vpc: str) -> None:
    assert wrong(vpc_id=vpc) == []


@pytest.mark.parametrize("vpc", ["vpc-", "vpc-0123456789ABCDEF0", "subnet-01234567", "vpc-01234567\n", "vpc-012345678"])
def test_bad_vpcs(vpc: str) -> None:
    assert wrong(vpc_id=vpc) == ["options.vpc_id"]


@pytest.mark.parametrize(
    ("wait", "seconds", "bad"),
    [
        (None, 0.0, []),
        (Duration(seconds=30), 30.0, []),
        (Duration(nanos=500_000_000), 0.5, []),
        (Duration(seconds=30, nanos=1), 30.000000001, ["wait"]),
        (Duration(seconds=-1), -1.0, ["wait"]),
    ],
    ids=["not set", "longest", "half a second", "too long", "negative"],
)
def test_waits(wait: Duration | None, seconds: float, bad: list[str]) -> None:
    violations = Violations()
    assert checked_wait(wait, "wait", violations) == seconds
    assert [one.field for one in violations.found] == bad
