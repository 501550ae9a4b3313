"""Makes the client of a cloud's Claude that ANYRAY_CLIENT names, with nothing but the gateway's key.

What it is asked and must answer is in the scripts `anthropic_clouds_*.py`: the
clients have one face, each speaks another wire format.
"""

import os

from anthropic import (
    Anthropic,
    AnthropicBedrock,
    AnthropicBedrockMantle,
    AnthropicVertex,
    AsyncAnthropic,
    AsyncAnthropicBedrock,
    AsyncAnthropicBedrockMantle,
    AsyncAnthropicVertex,
)

NAME = os.environ["ANYRAY_CLIENT"]
URL = os.environ["ANYRAY_URL"]
KEY = os.environ["ANYRAY_KEY"]

AWS = {"aws_region": "eu-central-1", "base_url": URL}
# AWS's clients cannot leave the signature out; the gateway takes the key from its id.
SIGNED = {"aws_access_key": KEY, "aws_secret_key": "of no use to anybody"}
MANTLE = {"base_url": f"{URL}/anthropic", "aws_region": "eu-central-1"}
GOOGLE = {"project_id": "a-project", "region": "europe-west1", "access_token": KEY}


def anthropic_by(provider):
    """Anthropic's own client, sent to a cloud by the gateway."""
    headers = {"x-anyray-provider": provider}
    return (Anthropic, AsyncAnthropic, {"api_key": KEY, "base_url": URL, "default_headers": headers})


# Of each client the plain class, the asynchronous one, and what both are made with.
CLIENTS = {
    "bedrock": (AnthropicBedrock, AsyncAnthropicBedrock, {**AWS, "api_key": KEY}),
    "bedrock-signed": (AnthropicBedrock, AsyncAnthropicBedrock, {**AWS, **SIGNED}),
    "mantle": (AnthropicBedrockMantle, AsyncAnthropicBedrockMantle, {**MANTLE, "api_key": KEY}),
    "mantle-signed": (AnthropicBedrockMantle, AsyncAnthropicBedrockMantle, {**MANTLE, **SIGNED}),
    "vertex": (AnthropicVertex, AsyncAnthropicVertex, {**GOOGLE, "base_url": URL}),
    "vertex-v1": (AnthropicVertex, AsyncAnthropicVertex, {**GOOGLE, "base_url": f"{URL}/v1"}),
    "bedrock-anthropic": anthropic_by("bedrock"),
    "vertex-anthropic": anthropic_by("google-vertex-ai"),
}
PLAIN, ASYNCHRONOUS, SETTINGS = CLIENTS[NAME]

# A model of the cloud, as its documents spell it.
MODEL = "claude-sonnet-4-5@20250929" if NAME.startswith("vertex") else "us.anthropic.claude-opus-4-7"


def connect():
    """A client that does not try again."""
    return PLAIN(max_retries=0, **SETTINGS)


def connect_asynchronously():
    """The same client for `async` code."""
    return ASYNCHRONOUS(max_retries=0, **SETTINGS)
