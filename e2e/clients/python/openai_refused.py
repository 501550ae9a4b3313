"""openai: a refused key is an error with the gateway's words, after one call with usual retries."""

import openai
from claims import claim, equal, raised, run
from openai import OpenAI

client = OpenAI()


@claim
def a_refused_key_is_an_authentication_error():
    hello = [{"role": "user", "content": "say hi"}]
    error = raised(
        openai.AuthenticationError,
        lambda: client.chat.completions.create(model="gpt-5", messages=hello),
    )
    equal(error.code, "client_key_unknown", "code")
    assert "does not know the client key" in str(error), f"message lost in {error}"


if __name__ == "__main__":
    run()
