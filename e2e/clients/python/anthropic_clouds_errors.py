"""anthropic on a cloud: each status of the provider raises its own type, with its message."""

import anthropic
from anthropic_clouds_client import connect
from claims import claim, equal, raised, run

client = connect()

HELLO = [{"role": "user", "content": "say hi"}]
TYPES = {
    400: anthropic.BadRequestError,
    403: anthropic.PermissionDeniedError,
    404: anthropic.NotFoundError,
    429: anthropic.RateLimitError,
    500: anthropic.InternalServerError,
    503: anthropic.APIStatusError,
}


def find_message(body):
    """Where each cloud has it; AWS spells it in two ways."""
    return body.get("message") or body.get("Message") or body["error"]["message"]


def check(status, **more):
    model = f"anthropic.fake-status-{status}"
    error = raised(
        TYPES[status],
        lambda: client.messages.create(model=model, max_tokens=64, messages=HELLO, **more),
    )
    equal(error.status_code, status)
    # The body is an object of the provider, in its own shape, not text of a proxy.
    message = find_message(error.body)
    assert message and message in str(error), f"message lost in {error}"


@claim
def every_status_of_messages_raises_its_type():
    for status in TYPES:
        check(status)


@claim
def every_status_of_a_stream_raises_its_type():
    for status in TYPES:
        check(status, stream=True)


if __name__ == "__main__":
    run()
