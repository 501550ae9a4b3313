"""boto3: a stream that breaks raises; a part of an answer never looks like one."""

import json

from boto3_client import connect
from botocore.exceptions import EventStreamError
from claims import claim, raised, run

client = connect()


def read_invoked(model):
    body = {
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": 64,
        "messages": [{"role": "user", "content": "say hi"}],
    }
    answer = client.invoke_model_with_response_stream(modelId=model, body=json.dumps(body))
    return list(answer["body"])


def read_conversed(model):
    messages = [{"role": "user", "content": [{"text": "say hi"}]}]
    return list(client.converse_stream(modelId=model, messages=messages)["stream"])


# Without the gateway an early end looks like a whole answer: to boto3 the end of
# the connection is an end like any other.
@claim
def a_stream_that_lacks_its_end_raises():
    for scenario in ["fake-cut-3", "fake-end-early-3", "fake-cut-mid-3"]:
        raised(Exception, lambda: read_invoked(f"anthropic.{scenario}"))
        raised(Exception, lambda: read_conversed(f"anthropic.{scenario}"))


@claim
def an_exception_within_the_stream_raises():
    for read in [read_invoked, read_conversed]:
        error = raised(EventStreamError, lambda: read("anthropic.fake-error-event-2"))
        assert error.response["Error"]["Message"], "no message"


@claim
def an_answer_after_the_break_is_whole_again():
    assert "messageStop" in read_conversed("us.anthropic.claude-opus-4-7")[-2]
    last = read_invoked("us.anthropic.claude-opus-4-7")[-1]
    assert b"message_stop" in last["chunk"]["bytes"], last


if __name__ == "__main__":
    run()
