#!/usr/bin/env python3
"""Writes COUNT client keys into DIR, in the form of `anyray-gateway --client-keys-dir`, and prints the first key.

The keys are the same every time and open nothing but a bench on loopback."""
import hashlib, json, sys, zlib
from pathlib import Path

BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def digits(number, count, alphabet):
    out = ""
    for _ in range(count):
        number, rest = divmod(number, len(alphabet))
        out = alphabet[rest] + out
    return out


def key(index):
    """The id and the text of a key, as anyray_wire::anyray::credential writes it."""
    key_id = digits(index, 12, BASE62[:10] + BASE62[36:])
    secret = int.from_bytes(hashlib.sha256(b"bench %d" % index).digest(), "big")
    text = f"ark_{key_id}_{digits(secret, 43, BASE62)}"
    return key_id, text + digits(zlib.crc32(text.encode()), 6, BASE62)


def main():
    folder, count = Path(sys.argv[1]) / "client-keys", int(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(count):
        key_id, text = key(index)
        spec = {
            "gatewayRef": {"name": "local"}, "user": f"user-{index}@example.com", "team": f"team-{index % 50}",
            "key": {"id": key_id, "hash": "sha256:" + hashlib.sha256(text.encode()).hexdigest()},
        }
        name = f"ck-{key_id}"
        made = {"apiVersion": "anyray.ai/v1alpha1", "kind": "ClientKey", "metadata": {"name": name}, "spec": spec}
        (folder / f"{name}.json").write_text(json.dumps(made))
    print(key(0)[1])


if __name__ == "__main__":
    main()
