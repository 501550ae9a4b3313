"""anthropic on a cloud: answers, streams, tools and token counts arrive as the SDK types."""

import asyncio

from anthropic import AnthropicError
from anthropic_clouds_client import MODEL, NAME, connect, connect_asynchronously
from claims import claim, equal, raised, run

client = connect()

TEXT = "say hi, grüße, 你好"
HELLO = [{"role": "user", "content": TEXT}]
WEATHER = {
    "name": "get_weather",
    "description": "The weather of a city",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
        "required": ["city", "days"],
    },
}


@claim
def messages_answers_with_text_and_usage():
    answer = client.messages.create(model=MODEL, max_tokens=64, messages=HELLO)
    equal(answer.type, "message")
    equal(answer.stop_reason, "end_turn")
    equal(answer.content[0].text, f"echo: {TEXT}")
    assert answer.usage.input_tokens > 0 and answer.usage.output_tokens > 0, "no usage"


@claim
def messages_keeps_fields_and_headers_that_the_sdk_does_not_know():
    answer = client.messages.create(
        model=MODEL,
        max_tokens=64,
        system=[{"type": "text", "text": "be brief", "cache_control": {"type": "ephemeral"}}],
        messages=HELLO,
        extra_headers={
            "anthropic-beta": "context-1m-2025-08-07,interleaved-thinking-2025-05-14",
            "x-anyray-metadata": '{"team":"blue"}',
            "cookie": "session=1",
        },
        extra_body={"x_new_field": {"b": 1, "a": [None, 1.50]}},
    )
    equal(answer.content[0].text, f"echo: {TEXT}")


@claim
def the_id_of_the_gateway_arrives():
    raw = client.messages.with_raw_response.create(model=MODEL, max_tokens=64, messages=HELLO)
    assert raw.headers["x-anyray-request-id"], "no id of the gateway"


@claim
def a_prompt_of_three_megabytes_passes():
    text = "grüße 你好 " * 220_000
    assert len(text.encode()) > 3_000_000
    with client.messages.stream(
        model=MODEL, max_tokens=64, messages=[{"role": "user", "content": text}]
    ) as stream:
        answer = stream.get_final_message()
    assert answer.content[0].text.startswith("echo: grüße 你好"), answer.content[0].text[:80]


@claim
def the_asynchronous_client_streams_as_well():
    async def read():
        async with (
            connect_asynchronously() as asynchronous,
            asynchronous.messages.stream(model=MODEL, max_tokens=64, messages=HELLO) as stream,
        ):
            return await stream.get_final_message()

    equal(asyncio.run(read()).content[0].text, f"echo: {TEXT}")


@claim
def messages_streams_in_the_order_of_the_grammar():
    stream = client.messages.create(model=MODEL, max_tokens=64, messages=HELLO, stream=True)
    events = list(stream)
    deltas = [e for e in events if e.type == "content_block_delta"]
    equal("".join(e.delta.text for e in deltas), f"echo: {TEXT}")
    equal(
        [e.type for e in events if e.type != "content_block_delta"],
        [
            "message_start",
            "content_block_start",
            "content_block_stop",
            "message_delta",
            "message_stop",
        ],
    )
    usage = next(e.usage for e in events if e.type == "message_delta")
    assert usage.output_tokens > 0, "no usage"


@claim
def messages_calls_a_tool_and_answers_its_result():
    question = client.messages.create(
        model="anthropic.fake-tools", max_tokens=64, messages=HELLO, tools=[WEATHER]
    )
    equal(question.stop_reason, "tool_use")
    call = next(block for block in question.content if block.type == "tool_use")
    equal(call.name, "get_weather")
    equal(sorted(call.input), ["city", "days"])
    result = {"type": "tool_result", "tool_use_id": call.id, "content": "sunny"}
    answer = client.messages.create(
        model="anthropic.fake-tools",
        max_tokens=64,
        tools=[WEATHER],
        messages=[
            *HELLO,
            {"role": "assistant", "content": [b.model_dump() for b in question.content]},
            {"role": "user", "content": [result]},
        ],
    )
    equal(answer.stop_reason, "end_turn")


@claim
def messages_streams_a_tool_call_that_assembles():
    with client.messages.stream(
        model="anthropic.fake-tools", max_tokens=64, messages=HELLO, tools=[WEATHER]
    ) as stream:
        pieces = [e.partial_json for e in stream if e.type == "input_json"]
        answer = stream.get_final_message()
    assert len(pieces) > 1, "the arguments did not come in pieces"
    equal(answer.stop_reason, "tool_use")
    call = next(block for block in answer.content if block.type == "tool_use")
    assert call.id, "call without id"
    equal(call.name, "get_weather")
    equal(sorted(call.input), ["city", "days"])


@claim
def count_tokens_counts_where_the_client_can():
    def count():
        return client.messages.count_tokens(model=MODEL, messages=HELLO)

    if NAME.startswith("bedrock"):
        raised(AnthropicError, count)
    else:
        assert count().input_tokens > 0, "no tokens"


@claim
def a_stream_of_single_bytes_reads_like_an_answer():
    model = "anthropic.fake-split-bytes"
    whole = client.messages.create(model=model, max_tokens=64, messages=HELLO)
    with client.messages.stream(model=model, max_tokens=64, messages=HELLO) as stream:
        equal("".join(stream.text_stream), whole.content[0].text)


if __name__ == "__main__":
    run()
