"""openai: answers, streams, tools, embeddings and models arrive as the SDK types."""

import asyncio
import json

from claims import claim, equal, run
from openai import AsyncOpenAI, OpenAI

client = OpenAI(max_retries=0)

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
FLAT_WEATHER = {"type": "function", **WEATHER["function"]}


@claim
def chat_answers_with_text_usage_and_request_id():
    answer = client.chat.completions.create(model="gpt-5.6", messages=HELLO)
    equal(answer.object, "chat.completion")
    equal(answer.choices[0].finish_reason, "stop")
    equal(answer.choices[0].message.content, f"echo: {TEXT}")
    assert answer.usage.total_tokens > 0, "no usage"
    assert answer._request_id.startswith("req_"), "not the provider's request id"


@claim
def chat_keeps_fields_and_headers_that_the_sdk_does_not_know():
    answer = client.chat.completions.create(
        model="gpt-5.6",
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
def headers_of_the_provider_arrive():
    raw = client.chat.completions.with_raw_response.create(model="gpt-5.6", messages=HELLO)
    assert int(raw.headers["x-ratelimit-limit-requests"]) > 0
    assert raw.headers["openai-organization"], "no organisation"
    assert raw.headers["x-anyray-request-id"], "no id of the gateway"


@claim
def a_prompt_of_three_megabytes_passes():
    text = "grüße 你好 " * 220_000
    assert len(text.encode()) > 3_000_000
    answer = client.responses.create(model="gpt-5.6", input=text)
    assert answer.output_text.startswith("echo: grüße 你好"), answer.output_text[:80]


@claim
def the_asynchronous_client_streams_as_well():
    async def read():
        async with AsyncOpenAI(max_retries=0) as asynchronous:
            stream = await asynchronous.chat.completions.create(
                model="gpt-5.6", messages=HELLO, stream=True
            )
            return [chunk.choices[0] async for chunk in stream if chunk.choices]

    choices = asyncio.run(read())
    equal("".join(c.delta.content or "" for c in choices), f"echo: {TEXT}")
    equal(choices[-1].finish_reason, "stop")


@claim
def chat_streams_in_order_to_a_finish_reason():
    stream = client.chat.completions.create(
        model="gpt-5.6", messages=HELLO, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    choices = [chunk.choices[0] for chunk in chunks if chunk.choices]
    equal(choices[0].delta.role, "assistant")
    equal([c.finish_reason for c in choices if c.finish_reason], ["stop"])
    equal(choices[-1].finish_reason, "stop")
    equal("".join(c.delta.content or "" for c in choices), f"echo: {TEXT}")
    assert chunks[-1].usage.total_tokens > 0, "no usage in the last chunk"


def check_call(call):
    assert call.id, "call without id"
    equal(call.function.name, "get_weather")
    equal(sorted(json.loads(call.function.arguments)), ["city", "days"])


@claim
def chat_calls_a_tool_and_answers_its_result():
    answer = client.chat.completions.create(model="fake-tools", messages=HELLO, tools=[WEATHER])
    equal(answer.choices[0].finish_reason, "tool_calls")
    call = answer.choices[0].message.tool_calls[0]
    check_call(call)
    result = {"role": "tool", "tool_call_id": call.id, "content": "sunny"}
    asked = answer.choices[0].message.model_dump(exclude_none=True)
    answer = client.chat.completions.create(
        model="fake-tools", messages=[*HELLO, asked, result], tools=[WEATHER]
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
def completions_answers_with_text():
    answer = client.completions.create(model="gpt-5.6", prompt="say hi")
    equal(answer.object, "text_completion")
    equal(answer.choices[0].text.strip(), "echo: say hi")


@claim
def responses_answers_with_text_usage_and_request_id():
    answer = client.responses.create(model="gpt-5.6", input="say hi")
    equal(answer.status, "completed")
    equal(answer.output_text, "echo: say hi")
    assert answer.usage.total_tokens > 0, "no usage"
    assert answer._request_id.startswith("req_"), "not the provider's request id"


@claim
def responses_streams_numbered_events_to_completed():
    with client.responses.stream(model="gpt-5.6", input="say hi") as stream:
        events = list(stream)
        answer = stream.get_final_response()
    types = [event.type for event in events]
    equal(types[0], "response.created")
    equal(types[-1], "response.completed")
    numbers = [event.sequence_number for event in events]
    equal(numbers, sorted(set(numbers)), "sequence numbers")
    text = "".join(e.delta for e in events if e.type == "response.output_text.delta")
    equal(text, "echo: say hi")
    equal(answer.output_text, text)


@claim
def responses_streams_a_tool_call_that_assembles():
    with client.responses.stream(
        model="fake-tools", input="weather?", tools=[FLAT_WEATHER]
    ) as stream:
        events = list(stream)
        answer = stream.get_final_response()
    pieces = "".join(
        e.delta for e in events if e.type == "response.function_call_arguments.delta"
    )
    call = next(item for item in answer.output if item.type == "function_call")
    equal(call.arguments, pieces, "arguments")
    assert isinstance(json.loads(call.arguments), dict)
    assert call.call_id and call.name, "call without id or name"


@claim
def embeddings_decode_from_base64_and_from_floats():
    packed = client.embeddings.create(model="text-embedding-3-small", input=["a", "b"])
    plain = client.embeddings.create(
        model="text-embedding-3-small", input=["a", "b"], encoding_format="float"
    )
    equal(len(packed.data), 2)
    assert packed.data[0].embedding, "empty vector"
    for left, right in zip(packed.data, plain.data, strict=True):
        assert all(abs(a - b) < 1e-6 for a, b in zip(left.embedding, right.embedding, strict=True))


@claim
def models_list_and_retrieve_an_id_with_a_slash():
    listed = list(client.models.list())
    assert listed and all(model.object == "model" for model in listed), "no models"
    equal(client.models.retrieve(listed[0].id).id, listed[0].id)
    equal(client.models.retrieve("acme/tuned-v1").id, "acme/tuned-v1")


@claim
def a_stream_of_single_bytes_reads_like_an_answer():
    whole = client.chat.completions.create(model="fake-split-bytes", messages=HELLO)
    split = client.chat.completions.create(model="fake-split-bytes", messages=HELLO, stream=True)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in split if chunk.choices)
    equal(text, whole.choices[0].message.content)


if __name__ == "__main__":
    run()
