"""openai on Azure: each status of the provider raises its own type, with Azure's message."""

import openai
from claims import claim, equal, raised, run
from openai_azure_client import connect

client = connect()

HELLO = [{"role": "user", "content": "say hi"}]
TYPES = {
    400: openai.BadRequestError,
    401: openai.AuthenticationError,
    403: openai.PermissionDeniedError,
    404: openai.NotFoundError,
    408: openai.APIStatusError,
    429: openai.RateLimitError,
    500: openai.InternalServerError,
    503: openai.InternalServerError,
}


def check_each(action):
    for status, kind in TYPES.items():
        error = raised(kind, lambda: action(f"fake-status-{status}"))
        equal(error.status_code, status)
        # The body is an object of the provider, not text of a proxy.
        assert isinstance(error.body, dict) and error.body.get("message"), f"body {error.body!r}"
        assert error.body["message"] in str(error), f"message lost in {error}"


@claim
def every_status_of_chat_raises_its_type():
    check_each(lambda model: client.chat.completions.create(model=model, messages=HELLO))


@claim
def every_status_of_a_chat_stream_raises_its_type():
    check_each(
        lambda model: client.chat.completions.create(model=model, messages=HELLO, stream=True)
    )


@claim
def every_status_of_responses_raises_its_type():
    check_each(lambda model: client.responses.create(model=model, input="say hi"))


@claim
def every_status_of_embeddings_raises_its_type():
    check_each(lambda model: client.embeddings.create(model=model, input="a"))


if __name__ == "__main__":
    run()
