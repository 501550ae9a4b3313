"""google-genai: each status of Vertex AI raises its kind of error, with Google's status and message."""

from claims import claim, equal, raised, run
from google.genai.errors import ClientError, ServerError
from google_genai_client import connect

client = connect()

STATUSES = {
    400: (ClientError, "INVALID_ARGUMENT"),
    401: (ClientError, "UNAUTHENTICATED"),
    403: (ClientError, "PERMISSION_DENIED"),
    404: (ClientError, "NOT_FOUND"),
    429: (ClientError, "RESOURCE_EXHAUSTED"),
    500: (ServerError, "INTERNAL"),
    503: (ServerError, "UNAVAILABLE"),
}


def check_each(action):
    for code, (kind, status) in STATUSES.items():
        error = raised(kind, lambda: action(f"fake-status-{code}"))
        equal(error.code, code)
        equal(error.status, status)
        assert error.message and error.message in str(error), f"message lost in {error}"


@claim
def every_status_of_generate_content_raises_its_kind():
    check_each(lambda model: client.models.generate_content(model=model, contents="say hi"))


@claim
def every_status_of_a_stream_raises_its_kind():
    check_each(
        lambda model: list(client.models.generate_content_stream(model=model, contents="say hi"))
    )


@claim
def an_error_of_count_tokens_raises_its_kind():
    model = "fake-status-404"
    error = raised(
        ClientError, lambda: client.models.count_tokens(model=model, contents="say hi")
    )
    equal(error.code, 404)


if __name__ == "__main__":
    run()
