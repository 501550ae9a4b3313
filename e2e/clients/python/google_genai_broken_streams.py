"""google-genai: a stream that breaks raises; a part of an answer never looks like one."""

import asyncio

from claims import claim, equal, raised, run
from google.genai.errors import APIError
from google.genai.types import FinishReason
from google_genai_client import connect

client = connect()


def read(model):
    return list(client.models.generate_content_stream(model=model, contents="say hi"))


async def read_asynchronously(model):
    stream = await client.aio.models.generate_content_stream(model=model, contents="say hi")
    return [chunk async for chunk in stream]


# Without the gateway an early end looks like a whole answer: to the SDK the end of
# the connection is an end like any other.
@claim
def a_stream_that_lacks_its_end_raises():
    for model in ["fake-cut-2", "fake-end-early-2", "fake-cut-mid-2"]:
        raised(Exception, lambda: read(model))
        raised(Exception, lambda: asyncio.run(read_asynchronously(model)))


@claim
def an_error_within_the_stream_raises():
    error = raised(APIError, lambda: read("fake-error-event-2"))
    assert error.message, "no message"


@claim
def an_answer_after_the_break_is_whole_again():
    equal(read("gemini-3-pro")[-1].candidates[0].finish_reason, FinishReason.STOP)


if __name__ == "__main__":
    run()
