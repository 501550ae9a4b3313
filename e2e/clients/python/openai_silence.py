"""openai: a provider that falls silent before the end of a stream is waited for."""

from claims import claim, equal, run
from openai import OpenAI

client = OpenAI(max_retries=0)


@claim
def a_chat_stream_goes_on_after_a_silence():
    stream = client.chat.completions.create(
        model="fake-silent-1500", messages=[{"role": "user", "content": "say hi"}], stream=True
    )
    choices = [chunk.choices[0] for chunk in stream if chunk.choices]
    equal("".join(c.delta.content or "" for c in choices), "echo: say hi")
    equal(choices[-1].finish_reason, "stop")


@claim
def a_responses_stream_goes_on_after_a_silence():
    with client.responses.stream(model="fake-silent-1500", input="say hi") as stream:
        equal(stream.get_final_response().output_text, "echo: say hi")


if __name__ == "__main__":
    run()
