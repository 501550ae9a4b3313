#!/usr/bin/env python3
"""Writes the configuration of `anyray` with keys for Bedrock and Vertex AI into DIR; they go to the mock, too.

clouds.py DIR awsKeys|apiKey [MOCK]: whether Bedrock's key signs each request or is a bearer key, and the mock's URL.
No key opens anything."""
import json, sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DEFAULT_MOCK = "http://127.0.0.1:9900"
AWS = {
    "awsKeys": json.dumps({"accessKeyId": "AKIABENCHNOTASECRET0", "secretAccessKey": "bench-not-a-secret"}),
    "apiKey": "bench-not-a-secret",
}


def service_account(mock):
    """With the key of the gateway's own tests; the mock gives a token for anything that it signs."""
    key = ROOT / "gateway/wire/src/gateway_config/credential/test-key.pem"
    return json.dumps({
        "type": "service_account", "project_id": "bench", "private_key_id": "bench", "private_key": key.read_text(),
        "client_email": "bench@bench.iam.gserviceaccount.com", "token_uri": mock + "/token",
    })


def key(mock, name, provider, kind, **settings):
    endpoint = {"url": mock, "allowInsecure": True, **settings}
    return {"name": name, "provider": provider, "credential": {"file": f"keys/{name}", "type": kind}, "endpoint": endpoint}


def main():
    folder, kind, mock = Path(sys.argv[1]), sys.argv[2], (sys.argv[3:] or [DEFAULT_MOCK])[0]
    made = json.loads((ROOT / "bench/peers/anyray/gateway.json").read_text().replace(DEFAULT_MOCK, mock))
    secrets = {k["name"]: "bench-not-a-secret" for k in made["providerKeys"]}
    made["providerKeys"] += [
        key(mock, "bedrock", "bedrock", kind, region="eu-central-1"),
        key(mock, "vertex", "google-vertex-ai", "googleServiceAccount", projectId="bench", location="europe-west1"),
    ]
    secrets |= {"bedrock": AWS[kind], "vertex": service_account(mock)}
    (folder / "keys").mkdir(parents=True, exist_ok=True)
    (folder / "gateway.json").write_text(json.dumps(made, indent=2))
    for name, secret in secrets.items():
        (folder / "keys" / name).write_text(secret)


if __name__ == "__main__":
    main()
