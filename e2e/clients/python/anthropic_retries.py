"""anthropic: the SDK's own retries see the provider's failures and then its answer."""

import anthropic
from anthropic import Anthropic
from claims import claim, equal, raised, run

HELLO = [{"role": "user", "content": "say hi"}]


@claim
def two_failures_and_then_an_answer():
    answer = Anthropic().messages.create(model="fake-fail-2-529", max_tokens=64, messages=HELLO)
    equal(answer.content[0].text, "echo: say hi")


@claim
def without_retries_the_failure_is_the_provider_s():
    client = Anthropic(max_retries=0)
    error = raised(
        anthropic.InternalServerError,
        lambda: client.messages.create(model="fake-status-500", max_tokens=64, messages=HELLO),
    )
    equal(error.status_code, 500)


if __name__ == "__main__":
    run()
