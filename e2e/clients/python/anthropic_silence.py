"""anthropic: a provider that falls silent before the end of a stream is waited for."""

from anthropic import Anthropic
from claims import claim, equal, run

client = Anthropic(max_retries=0)


@claim
def a_stream_goes_on_after_a_silence():
    with client.messages.stream(
        model="fake-silent-1500",
        max_tokens=64,
        messages=[{"role": "user", "content": "say hi"}],
    ) as stream:
        answer = stream.get_final_message()
    equal(answer.content[0].text, "echo: say hi")
    equal(answer.stop_reason, "end_turn")


if __name__ == "__main__":
    run()
