"""openai on Azure: a stream that breaks raises; a part of an answer never looks like one."""

import openai
from claims import claim, equal, raised, run
from openai_azure_client import connect

client = connect()

HELLO = [{"role": "user", "content": "say hi"}]


def read_chat(model):
    return list(client.chat.completions.create(model=model, messages=HELLO, stream=True))


def read_responses(model):
    return list(client.responses.create(model=model, input="say hi", stream=True))


# Without the gateway an early end looks like a whole answer: to the SDK the end of
# the connection is an end like any other.
@claim
def a_chat_stream_that_lacks_its_end_raises():
    for model in ["fake-cut-3", "fake-end-early-3", "fake-cut-mid-3"]:
        raised(openai.APIError, lambda: read_chat(model))


# The SDK raises for no event of Responses: failure is an event of its own there.
@claim
def a_cut_responses_stream_ends_as_failed():
    for model in ["fake-cut-3", "fake-end-early-3"]:
        last = read_responses(model)[-1]
        equal(last.type, "response.failed")
        assert last.response.error.message, "no message"


@claim
def an_error_event_in_a_chat_stream_raises_with_its_message():
    error = raised(openai.APIError, lambda: read_chat("fake-error-event-2"))
    assert error.message, "no message"


@claim
def an_answer_after_the_break_is_whole_again():
    equal(read_chat("our-gpt-5.6")[-1].choices[0].finish_reason, "stop")


if __name__ == "__main__":
    run()
