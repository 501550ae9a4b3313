"""anthropic: each status of the provider raises its own type, with message and request id."""

import anthropic
from anthropic import Anthropic
from claims import claim, equal, raised, run

client = Anthropic(max_retries=0)

HELLO = [{"role": "user", "content": "say hi"}]
TYPES = {
    400: anthropic.BadRequestError,
    401: anthropic.AuthenticationError,
    402: anthropic.APIStatusError,
    403: anthropic.PermissionDeniedError,
    404: anthropic.NotFoundError,
    409: anthropic.ConflictError,
    413: anthropic.APIStatusError,
    429: anthropic.RateLimitError,
    500: anthropic.InternalServerError,
    503: anthropic.APIStatusError,
    529: anthropic.APIStatusError,
}
OWN_TYPES = {
    402: "PaymentRequiredError",
    413: "ContentTooLargeError",
    503: "ServiceUnavailableError",
    529: "OverloadedError",
}


def check(status, action):
    error = raised(TYPES[status], action)
    equal(error.status_code, status)
    # The SDK does not export these types.
    if status in OWN_TYPES:
        equal(type(error).__name__, OWN_TYPES[status])
    # The body is an object of the provider, not text of a proxy.
    equal(error.body["type"], "error")
    assert error.body["error"]["message"] in str(error), f"message lost in {error}"
    assert error.request_id, f"{status} without request id"
    equal(error.body["request_id"], error.request_id, "request id in body and header")


def create(status, **more):
    return client.messages.create(
        model=f"fake-status-{status}", max_tokens=64, messages=HELLO, **more
    )


@claim
def every_status_of_messages_raises_its_type():
    for status in TYPES:
        check(status, lambda: create(status))


@claim
def every_status_of_a_stream_raises_its_type():
    for status in TYPES:
        check(status, lambda: create(status, stream=True))


@claim
def an_error_of_count_tokens_raises_its_type():
    check(
        404,
        lambda: client.messages.count_tokens(model="fake-status-404", messages=HELLO),
    )


if __name__ == "__main__":
    run()
