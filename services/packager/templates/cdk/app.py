"""The CDK app: `npx aws-cdk@2 deploy`. Every value is in config.json, beside this file."""

import json
import os
from pathlib import Path

import aws_cdk as cdk
from stack import AgentStack

config = json.loads(Path(__file__).with_name("config.json").read_text("utf-8"))

app = cdk.App()
AgentStack(
    app,
    config["service_name"],
    config=config,
    env=cdk.Environment(account=os.environ.get("CDK_DEFAULT_ACCOUNT"), region=os.environ.get("CDK_DEFAULT_REGION")),
    # The template stands for itself, so that plain CloudFormation can deploy it too where config.json names an image.
    synthesizer=cdk.DefaultStackSynthesizer(generate_bootstrap_version_rule=False),
)
app.synth()
