"""google-genai: answers, streams, tools and token counts of Vertex AI arrive as the SDK types."""

import asyncio

from claims import claim, equal, run
from google.genai.types import Content, FinishReason, GenerateContentConfig, Part
from google_genai_client import connect

client = connect()

MODEL = "gemini-3-pro"
TEXT = "say hi, grüße, 你好"
WEATHER = {
    "name": "get_weather",
    "description": "The weather of a city",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
        "required": ["city", "days"],
    },
}
TOOLS = GenerateContentConfig(tools=[{"function_declarations": [WEATHER]}])


def check_call(call):
    equal(call.name, "get_weather")
    equal(sorted(call.args), ["city", "days"])


@claim
def generate_content_answers_with_text_and_usage():
    answer = client.models.generate_content(
        model=MODEL,
        contents=TEXT,
        config=GenerateContentConfig(system_instruction="be brief", max_output_tokens=64),
    )
    equal(answer.text, f"echo: {TEXT}")
    equal(answer.candidates[0].finish_reason, FinishReason.STOP)
    usage = answer.usage_metadata
    assert usage.prompt_token_count > 0 and usage.candidates_token_count > 0, "no usage"


@claim
def the_id_of_the_gateway_arrives():
    answer = client.models.generate_content(model=MODEL, contents=TEXT)
    assert answer.sdk_http_response.headers["x-anyray-request-id"], "no id of the gateway"


@claim
def generate_content_streams_in_order_to_a_finish_reason():
    chunks = list(client.models.generate_content_stream(model=MODEL, contents=TEXT))
    assert len(chunks) > 1, "the answer did not come in pieces"
    equal("".join(chunk.text or "" for chunk in chunks), f"echo: {TEXT}")
    reasons = [chunk.candidates[0].finish_reason for chunk in chunks]
    equal([reason for reason in reasons if reason], [FinishReason.STOP])
    equal(reasons[-1], FinishReason.STOP)
    assert chunks[-1].usage_metadata.total_token_count > 0, "no usage in the last chunk"


@claim
def the_asynchronous_client_streams_as_well():
    async def read():
        stream = await client.aio.models.generate_content_stream(model=MODEL, contents=TEXT)
        return [chunk.text or "" async for chunk in stream]

    equal("".join(asyncio.run(read())), f"echo: {TEXT}")


@claim
def generate_content_calls_a_tool_and_answers_its_result():
    model = "fake-tools"
    question = client.models.generate_content(model=model, contents=TEXT, config=TOOLS)
    [call] = question.function_calls
    check_call(call)
    result = Part.from_function_response(name=call.name, response={"result": "sunny"})
    answer = client.models.generate_content(
        model=model,
        contents=[
            Content(role="user", parts=[Part(text=TEXT)]),
            question.candidates[0].content,
            Content(role="user", parts=[result]),
        ],
        config=TOOLS,
    )
    assert not answer.function_calls, answer.function_calls
    equal(answer.candidates[0].finish_reason, FinishReason.STOP)


@claim
def generate_content_streams_a_tool_call():
    stream = client.models.generate_content_stream(model="fake-tools", contents=TEXT, config=TOOLS)
    [call] = [call for chunk in stream for call in chunk.function_calls or []]
    check_call(call)


@claim
def count_tokens_counts():
    assert client.models.count_tokens(model=MODEL, contents=TEXT).total_tokens > 0, "no tokens"


@claim
def a_prompt_of_three_megabytes_passes():
    text = "grüße 你好 " * 220_000
    assert len(text.encode()) > 3_000_000
    answer = client.models.generate_content(model=MODEL, contents=text)
    assert answer.text.startswith("echo: grüße 你好"), answer.text[:80]


@claim
def a_stream_of_single_bytes_reads_like_an_answer():
    model = "fake-split-bytes"
    whole = client.models.generate_content(model=model, contents=TEXT)
    split = client.models.generate_content_stream(model=model, contents=TEXT)
    equal("".join(chunk.text or "" for chunk in split), whole.text)


if __name__ == "__main__":
    run()
