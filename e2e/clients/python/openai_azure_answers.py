"""openai on Azure: answers, streams, tools, embeddings and models arrive as the SDK types."""

import asyncio
import json

from claims import claim, equal, run
from openai_azure_client import connect, connect_asynchronously

client = connect()

MODEL = "our-gpt-5.6"
TEXT = "say hi, grüße, 你好"
HELLO = [{"role": "user", "content": TEXT}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
            "required": ["city", "days"],
        },
    },
}


@claim
def chat_answers_with_text_usage_and_what_azure_filtered():
    answer = client.chat.completions.create(model=MODEL, messages=HELLO)
    equal(answer.object, "chat.completion")
    equal(answer.choices[0].finish_reason, "stop")
    equal(answer.choices[0].message.content, f"echo: {TEXT}")
    assert answer.usage.total_tokens > 0, "no usage"
    assert answer.choices[0].content_filter_results, "nothing of Azure's filter"


@claim
def chat_keeps_fields_and_headers_that_the_sdk_does_not_know():
    answer = client.chat.completions.create(
        model=MODEL,
        messages=HELLO,
        extra_body={"x_new_field": {"b": 1, "a": [None, 1.50]}},
        extra_headers={
            "x-new-header": "1",
            "x-anyray-metadata": '{"team":"blue"}',
            "cookie": "session=1",
        },
    )
    equal(answer.choices[0].message.content, f"echo: {TEXT}")


@claim
def chat_streams_in_order_to_a_finish_reason():
    stream = client.chat.completions.create(
        model=MODEL, messages=HELLO, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    equal(chunks[0].choices, [], "Azure's first chunk tells of its filter")
    choices = [chunk.choices[0] for chunk in chunks if chunk.choices]
    equal([c.finish_reason for c in choices if c.finish_reason], ["stop"])
    equal(choices[-1].finish_reason, "stop")
    equal("".join(c.delta.content or "" for c in choices), f"echo: {TEXT}")
    assert chunks[-1].usage.total_tokens > 0, "no usage in the last chunk"


@claim
def the_asynchronous_client_streams_as_well():
    async def read():
        async with connect_asynchronously() as asynchronous:
            stream = await asynchronous.chat.completions.create(
                model=MODEL, messages=HELLO, stream=True
            )
            return [chunk.choices[0] async for chunk in stream if chunk.choices]

    choices = asyncio.run(read())
    equal("".join(c.delta.content or "" for c in choices), f"echo: {TEXT}")
    equal(choices[-1].finish_reason, "stop")


def check_call(call):
    assert call.id, "call without id"
    equal(call.function.name, "get_weather")
    equal(sorted(json.loads(call.function.arguments)), ["city", "days"])


@claim
def chat_calls_a_tool_and_answers_its_result():
    model = "fake-tools"
    answer = client.chat.completions.create(model=model, messages=HELLO, tools=[WEATHER])
    equal(answer.choices[0].finish_reason, "tool_calls")
    call = answer.choices[0].message.tool_calls[0]
    check_call(call)
    result = {"role": "tool", "tool_call_id": call.id, "content": "sunny"}
    asked = answer.choices[0].message.model_dump(exclude_none=True)
    answer = client.chat.completions.create(
        model=model, messages=[*HELLO, asked, result], tools=[WEATHER]
    )
    equal(answer.choices[0].finish_reason, "stop")


@claim
def chat_streams_a_tool_call_that_assembles():
    with client.chat.completions.stream(
        model="fake-tools", messages=HELLO, tools=[WEATHER]
    ) as stream:
        for _ in stream:
            pass
        answer = stream.get_final_completion()
    equal(answer.choices[0].finish_reason, "tool_calls")
    check_call(answer.choices[0].message.tool_calls[0])


@claim
def responses_answers_and_streams():
    answer = client.responses.create(model=MODEL, input="say hi")
    equal(answer.status, "completed")
    equal(answer.output_text, "echo: say hi")
    with client.responses.stream(model=MODEL, input="say hi") as stream:
        events = list(stream)
    equal(events[0].type, "response.created")
    equal(events[-1].type, "response.completed")
    equal(events[-1].response.output_text, "echo: say hi")


@claim
def embeddings_decode_from_base64_and_from_floats():
    model = "our-embeddings"
    packed = client.embeddings.create(model=model, input=["a", "b"])
    plain = client.embeddings.create(model=model, input=["a", "b"], encoding_format="float")
    equal(len(packed.data), 2)
    assert packed.data[0].embedding, "empty vector"
    for left, right in zip(packed.data, plain.data, strict=True):
        assert all(abs(a - b) < 1e-6 for a, b in zip(left.embedding, right.embedding, strict=True))


@claim
def models_are_listed():
    listed = list(client.models.list())
    assert listed and all(model.id for model in listed), "no models"


@claim
def a_prompt_of_three_megabytes_passes():
    text = "grüße 你好 " * 220_000
    assert len(text.encode()) > 3_000_000
    answer = client.chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": text}]
    )
    assert answer.choices[0].message.content.startswith("echo: grüße 你好")


@claim
def a_stream_of_single_bytes_reads_like_an_answer():
    model = "fake-split-bytes"
    whole = client.chat.completions.create(model=model, messages=HELLO)
    split = client.chat.completions.create(model=model, messages=HELLO, stream=True)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in split if chunk.choices)
    equal(text, whole.choices[0].message.content)


if __name__ == "__main__":
    run()
