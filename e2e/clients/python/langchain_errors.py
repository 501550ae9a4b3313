"""langchain: an error of the provider reaches the caller with its status, as its SDK's own."""

from claims import claim, equal, raised, run
from langchain_client import connect, find_status

STATUSES = [400, 403, 404, 429, 500, 503]


def check_each(action):
    for status in STATUSES:
        error = raised(Exception, lambda: action(connect(f"fake-status-{status}")))
        equal(find_status(error), status, f"status of {error!r}")


@claim
def every_status_of_invoke_raises_with_it():
    check_each(lambda model: model.invoke("say hi"))


@claim
def every_status_of_a_stream_raises_with_it():
    check_each(lambda model: list(model.stream("say hi")))


if __name__ == "__main__":
    run()
