"""anthropic: a stream that breaks raises; a part of an answer never looks like one."""

from anthropic import Anthropic, APIStatusError
from claims import claim, equal, raised, run

client = Anthropic(max_retries=0)

HELLO = [{"role": "user", "content": "say hi"}]


def read_events(model):
    return list(client.messages.create(model=model, max_tokens=64, messages=HELLO, stream=True))


def read_message(model):
    with client.messages.stream(model=model, max_tokens=64, messages=HELLO) as stream:
        return stream.get_final_message()


# Without the gateway an early end looks like a whole answer: to the SDK the end of
# the connection is an end like any other.
@claim
def a_cut_stream_raises_an_api_error():
    for model in ["fake-cut-3", "fake-end-early-3"]:
        error = raised(APIStatusError, lambda: read_events(model))
        equal(error.body["error"]["type"], "api_error")
        raised(APIStatusError, lambda: read_message(model))


# Here the SDK passes on what its HTTP client raises.
@claim
def a_stream_cut_within_an_event_raises():
    raised(Exception, lambda: read_events("fake-cut-mid-3"))


@claim
def an_error_event_raises_with_the_provider_s_object():
    error = raised(APIStatusError, lambda: read_events("fake-error-event-2"))
    equal(error.body["error"]["type"], "overloaded_error")
    raised(APIStatusError, lambda: read_message("fake-error-event-2"))


@claim
def an_answer_after_the_break_is_whole_again():
    equal(read_message("claude-opus-4-7").stop_reason, "end_turn")


if __name__ == "__main__":
    run()
