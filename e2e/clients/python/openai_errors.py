"""openai: each status of the provider raises its own type, with message and request id."""

import openai
from claims import claim, equal, raised, run
from openai import OpenAI

client = OpenAI(max_retries=0)

HELLO = [{"role": "user", "content": "say hi"}]
TYPES = {
    400: openai.BadRequestError,
    401: openai.AuthenticationError,
    403: openai.PermissionDeniedError,
    404: openai.NotFoundError,
    409: openai.ConflictError,
    422: openai.UnprocessableEntityError,
    429: openai.RateLimitError,
    500: openai.InternalServerError,
    503: openai.InternalServerError,
    529: openai.InternalServerError,
}


def check(status, action):
    error = raised(TYPES[status], action)
    equal(error.status_code, status)
    # The body is an object of the provider, not text of a proxy.
    assert isinstance(error.body, dict) and error.body.get("message"), f"body {error.body!r}"
    assert error.body["message"] in str(error), f"message lost in {error}"
    assert error.request_id, f"{status} without request id"


@claim
def every_status_of_chat_raises_its_type():
    for status in TYPES:
        model = f"fake-status-{status}"
        check(status, lambda: client.chat.completions.create(model=model, messages=HELLO))


@claim
def every_status_of_a_chat_stream_raises_its_type():
    for status in TYPES:
        model = f"fake-status-{status}"
        check(
            status,
            lambda: client.chat.completions.create(model=model, messages=HELLO, stream=True),
        )


@claim
def every_status_of_responses_raises_its_type():
    for status in TYPES:
        model = f"fake-status-{status}"
        check(status, lambda: client.responses.create(model=model, input="say hi"))


@claim
def an_error_of_embeddings_raises_its_type():
    check(404, lambda: client.embeddings.create(model="fake-status-404", input="a"))


if __name__ == "__main__":
    run()
