"""anthropic on a cloud: a stream that breaks raises; a part of an answer never looks like one."""

from anthropic import APIStatusError
from anthropic_clouds_client import MODEL, connect
from claims import claim, equal, raised, run

client = connect()

HELLO = [{"role": "user", "content": "say hi"}]


def read_events(scenario):
    model = f"anthropic.{scenario}"
    return list(client.messages.create(model=model, max_tokens=64, messages=HELLO, stream=True))


def read_message(model):
    with client.messages.stream(model=model, max_tokens=64, messages=HELLO) as stream:
        return stream.get_final_message()


# Without the gateway an early end looks like a whole answer: to the SDK the end of
# the connection is an end like any other.
@claim
def a_stream_that_lacks_its_end_raises():
    for scenario in ["fake-cut-3", "fake-end-early-3", "fake-cut-mid-3"]:
        raised(Exception, lambda: read_events(scenario))
        raised(Exception, lambda: read_message(f"anthropic.{scenario}"))


@claim
def an_error_within_the_stream_raises():
    raised(APIStatusError, lambda: read_events("fake-error-event-2"))
    raised(APIStatusError, lambda: read_message("anthropic.fake-error-event-2"))


@claim
def an_answer_after_the_break_is_whole_again():
    equal(read_message(MODEL).stop_reason, "end_turn")


if __name__ == "__main__":
    run()
