"""anthropic: a refused key is an error with the gateway's words, after one call with usual retries."""

import anthropic
from anthropic import Anthropic
from claims import claim, equal, raised, run

client = Anthropic()


@claim
def a_refused_key_is_an_authentication_error():
    hello = [{"role": "user", "content": "say hi"}]
    error = raised(
        anthropic.AuthenticationError,
        lambda: client.messages.create(model="claude-opus-5", max_tokens=64, messages=hello),
    )
    equal(error.body["error"]["type"], "authentication_error", "type")
    assert "does not know the client key" in str(error), f"message lost in {error}"


if __name__ == "__main__":
    run()
