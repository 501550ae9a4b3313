"""langchain: a stream that breaks raises; a part of an answer never looks like one."""

from claims import claim, equal, raised, run
from langchain_client import connect


def read(model):
    return list(model.stream("say hi"))


@claim
def a_stream_that_lacks_its_end_raises():
    for scenario in ["fake-cut-2", "fake-end-early-2", "fake-cut-mid-2"]:
        raised(Exception, lambda: read(connect(scenario)))


@claim
def an_error_within_the_stream_raises():
    raised(Exception, lambda: read(connect("fake-error-event-2")))


@claim
def an_answer_after_the_break_is_whole_again():
    equal("".join(chunk.text for chunk in read(connect())), "echo: say hi")


if __name__ == "__main__":
    run()
