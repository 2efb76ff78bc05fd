"""What is in a deployment package, as a pure function from the facts of a test to files. Knows neither ZIP nor S3."""

from services.packager.content.facts import ModelFacts, Options, Outcome, PackageFacts
from services.packager.content.layout import contents
from services.packager.content.names import service_name

__all__ = ["ModelFacts", "Options", "Outcome", "PackageFacts", "contents", "service_name"]
