"""Makes boto3's client of Amazon Bedrock, with the gateway's key in the place that ANYRAY_CLIENT names.

boto3 sends no bearer key over plain HTTP, and always signs. Its signature says
nothing to the gateway, so the key is the id of the signing key, or goes beside it.
"""

import os

import boto3
from botocore.config import Config

KEY = os.environ["ANYRAY_KEY"]


def connect():
    """A client that does not try again."""
    in_signature = os.environ["ANYRAY_CLIENT"] == "signature"
    client = boto3.client(
        "bedrock-runtime",
        region_name="eu-central-1",
        endpoint_url=os.environ["ANYRAY_URL"],
        aws_access_key_id=KEY if in_signature else "AKIAOFNOBODY",
        aws_secret_access_key="of no use to anybody",
        config=Config(retries={"total_max_attempts": 1}),
    )
    client.meta.events.register("before-send.bedrock-runtime.*", add_headers(in_signature))
    return client


def add_headers(in_signature):
    """What goes beside the signature: the key if it is not in it, and what must not go on."""

    def add(request, **_):
        if not in_signature:
            request.headers["x-anyray-api-key"] = KEY
        request.headers["x-anyray-metadata"] = '{"team":"blue"}'
        request.headers["cookie"] = "session=1"

    return add
