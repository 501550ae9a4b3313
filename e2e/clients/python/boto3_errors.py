"""boto3: each status of the provider raises the exception that AWS names for it."""

import json

from boto3_client import connect
from claims import claim, equal, raised, run

client = connect()

BODY = json.dumps(
    {
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": 64,
        "messages": [{"role": "user", "content": "say hi"}],
    }
)
MESSAGES = [{"role": "user", "content": [{"text": "say hi"}]}]
TYPES = {
    400: client.exceptions.ValidationException,
    403: client.exceptions.AccessDeniedException,
    404: client.exceptions.ResourceNotFoundException,
    408: client.exceptions.ModelTimeoutException,
    424: client.exceptions.ModelErrorException,
    429: client.exceptions.ThrottlingException,
    500: client.exceptions.InternalServerException,
    503: client.exceptions.ServiceUnavailableException,
}


def check_each(action):
    for status, kind in TYPES.items():
        error = raised(kind, lambda: action(f"anthropic.fake-status-{status}"))
        equal(error.response["ResponseMetadata"]["HTTPStatusCode"], status)
        assert error.response["Error"]["Message"], f"{status} without a message"
        assert error.response["ResponseMetadata"]["RequestId"], f"{status} without request id"


@claim
def every_status_of_invoke_model_raises_its_type():
    check_each(lambda model: client.invoke_model(modelId=model, body=BODY))


# A JSON error under a streaming call is not fed to the decoder of frames.
@claim
def every_status_of_an_invoked_stream_raises_its_type():
    check_each(lambda model: client.invoke_model_with_response_stream(modelId=model, body=BODY))


@claim
def every_status_of_converse_raises_its_type():
    check_each(lambda model: client.converse(modelId=model, messages=MESSAGES))


@claim
def every_status_of_a_conversed_stream_raises_its_type():
    check_each(lambda model: client.converse_stream(modelId=model, messages=MESSAGES))


if __name__ == "__main__":
    run()
