"""openai: a stream that breaks raises; a part of an answer never looks like one."""

import openai
from claims import claim, equal, raised, run
from openai import OpenAI

client = OpenAI(max_retries=0)

HELLO = [{"role": "user", "content": "say hi"}]


def read_chat(model):
    return list(client.chat.completions.create(model=model, messages=HELLO, stream=True))


def read_responses(model):
    return list(client.responses.create(model=model, input="say hi", stream=True))


@claim
def a_cut_chat_stream_raises():
    raised(openai.APIError, lambda: read_chat("fake-cut-3"))


@claim
def a_chat_stream_cut_within_an_event_raises():
    raised(openai.APIError, lambda: read_chat("fake-cut-mid-3"))


# Without the gateway this one looks like a whole answer: to the SDK the end of the
# connection is an end like any other.
@claim
def a_chat_stream_that_ends_too_early_raises():
    raised(openai.APIError, lambda: read_chat("fake-end-early-3"))


# The SDK raises for no event of Responses: failure is an event of its own there.
@claim
def a_cut_responses_stream_ends_as_failed():
    for model in ["fake-cut-3", "fake-end-early-3"]:
        last = read_responses(model)[-1]
        equal(last.type, "response.failed")
        equal(last.response.status, "failed")
        assert last.response.error.message, "no message"


@claim
def a_cut_responses_stream_has_no_final_response():
    def read_final():
        with client.responses.stream(model="fake-cut-3", input="say hi") as stream:
            return stream.get_final_response()

    raised(RuntimeError, read_final)


@claim
def a_responses_stream_cut_within_an_event_raises():
    raised(openai.APIError, lambda: read_responses("fake-cut-mid-3"))


@claim
def an_error_event_in_a_chat_stream_raises_with_its_message():
    error = raised(openai.APIError, lambda: read_chat("fake-error-event-2"))
    assert error.message, "no message"


@claim
def an_answer_after_the_break_is_whole_again():
    equal(read_chat("gpt-5.6")[-1].choices[0].finish_reason, "stop")


if __name__ == "__main__":
    run()
