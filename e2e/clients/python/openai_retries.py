"""openai: the SDK's own retries see the provider's failures and then its answer."""

import openai
from claims import claim, equal, raised, run
from openai import OpenAI

HELLO = [{"role": "user", "content": "say hi"}]


@claim
def two_failures_and_then_an_answer():
    answer = OpenAI().chat.completions.create(model="fake-fail-2-500", messages=HELLO)
    equal(answer.choices[0].message.content, "echo: say hi")


@claim
def without_retries_the_failure_is_the_provider_s():
    client = OpenAI(max_retries=0)
    error = raised(
        openai.InternalServerError,
        lambda: client.chat.completions.create(model="fake-status-500", messages=HELLO),
    )
    equal(error.status_code, 500)


if __name__ == "__main__":
    run()
