from assay.v1 import admin_service_pb2, package_service_pb2
from services.console.gateway import UNARY_S
from services.console.methods import WAITS_S, methods


def test_no_method_that_streams_is_on_the_list() -> None:
    assert not [name for _, name in methods() if name.startswith(("Watch", "Stream", "Upload", "Download"))]


def test_a_method_that_is_added_to_the_admins_or_packages_is_there() -> None:
    for module, service in ((admin_service_pb2, "AdminService"), (package_service_pb2, "PackageService")):
        unary = [
            method.name
            for method in module.DESCRIPTOR.services_by_name[service].methods
            if not (method.client_streaming or method.server_streaming)
        ]
        assert unary
        assert sorted(unary) == sorted(name for own, name in methods() if own == service)


def test_a_method_that_waits_by_itself_has_the_time_to() -> None:
    found = methods()
    assert found["PackageService", "GeneratePackage"].timeout_s == WAITS_S
    assert found["TestService", "GetTest"].timeout_s == UNARY_S
    assert found["TestService", "GetTest"].path == "/assay.v1.TestService/GetTest"
