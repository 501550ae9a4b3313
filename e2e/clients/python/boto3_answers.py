"""boto3: invoked and conversed with, whole and streamed, Bedrock answers as boto3's types."""

import json

from boto3_client import connect
from claims import claim, equal, run

client = connect()

TEXT = "say hi, grüße, 你好"
MODEL = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
PROFILE = "arn:aws:bedrock:eu-central-1:123456789012:inference-profile/eu.anthropic.claude-opus-4-7"
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city", "days"],
}
TOOLS = {"tools": [{"toolSpec": {"name": "get_weather", "inputSchema": {"json": SCHEMA}}}]}
CONVERSED = [{"role": "user", "content": [{"text": TEXT}]}]


def ask(**more):
    body = {
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": 64,
        "messages": [{"role": "user", "content": TEXT}],
        "x_new_field": {"b": 1, "a": [None, 1.50]},
        **more,
    }
    return json.dumps(body, ensure_ascii=False).encode()


def read_chunks(model, **more):
    """Anthropic's events of a stream, less its pings, which may stand anywhere."""
    answer = client.invoke_model_with_response_stream(modelId=model, body=ask(**more))
    events = [json.loads(event["chunk"]["bytes"]) for event in answer["body"]]
    return [event for event in events if event["type"] != "ping"]


def converse(model, messages, **more):
    answer = client.converse(modelId=model, messages=messages, **more)
    return answer["stopReason"], answer["output"]["message"], answer["usage"]


def read_events(model, **more):
    """The events of a conversation's stream as pairs of a name and what it holds."""
    stream = client.converse_stream(modelId=model, messages=CONVERSED, **more)["stream"]
    return [item for event in stream for item in event.items()]


@claim
def invoke_model_answers_with_text_and_usage():
    for model in [MODEL, PROFILE]:
        answer = client.invoke_model(modelId=model, body=ask())
        equal(answer["contentType"], "application/json")
        assert answer["ResponseMetadata"]["RequestId"], "no id of the request"
        message = json.loads(answer["body"].read())
        equal(message["content"][0]["text"], f"echo: {TEXT}")
        equal(message["stop_reason"], "end_turn")
        usage = message["usage"]
        assert usage["input_tokens"] > 0 and usage["output_tokens"] > 0, "no usage"


@claim
def invoke_model_streams_in_the_order_of_the_grammar():
    events = read_chunks(PROFILE)
    deltas = [e["delta"]["text"] for e in events if e["type"] == "content_block_delta"]
    equal("".join(deltas), f"echo: {TEXT}")
    equal(
        [e["type"] for e in events if e["type"] != "content_block_delta"],
        [
            "message_start",
            "content_block_start",
            "content_block_stop",
            "message_delta",
            "message_stop",
        ],
    )
    metrics = events[-1]["amazon-bedrock-invocationMetrics"]
    assert metrics["inputTokenCount"] > 0 and metrics["outputTokenCount"] > 0, "no metrics"


@claim
def invoke_model_streams_a_tool_call_that_assembles():
    tool = {"name": "get_weather", "input_schema": SCHEMA}
    events = read_chunks("anthropic.fake-tools", tools=[tool])
    starts = [e["content_block"] for e in events if e["type"] == "content_block_start"]
    assert any(s["type"] == "tool_use" and s["name"] == "get_weather" for s in starts), starts
    deltas = [e["delta"] for e in events if e["type"] == "content_block_delta"]
    pieces = [d["partial_json"] for d in deltas if d["type"] == "input_json_delta"]
    equal(sorted(json.loads("".join(pieces))), ["city", "days"])


@claim
def converse_answers_with_text_and_usage():
    stop_reason, message, usage = converse(
        MODEL,
        CONVERSED,
        system=[{"text": "be brief"}],
        inferenceConfig={"maxTokens": 64, "temperature": 0.5},
    )
    equal(stop_reason, "end_turn")
    equal(message, {"role": "assistant", "content": [{"text": f"echo: {TEXT}"}]})
    assert usage["inputTokens"] > 0 and usage["outputTokens"] > 0, "no usage"
    # What the cache did is in the total, but not in the input.
    cached = usage["cacheReadInputTokens"] + usage["cacheWriteInputTokens"]
    equal(usage["totalTokens"], usage["inputTokens"] + cached + usage["outputTokens"])


@claim
def converse_calls_a_tool_and_answers_its_result():
    model = "anthropic.fake-tools"
    stop_reason, message, _ = converse(model, CONVERSED, toolConfig=TOOLS)
    equal(stop_reason, "tool_use")
    call = next(block["toolUse"] for block in message["content"] if "toolUse" in block)
    equal(call["name"], "get_weather")
    equal(sorted(call["input"]), ["city", "days"])
    result = {"toolUseId": call["toolUseId"], "content": [{"text": "sunny"}]}
    answered = {"role": "user", "content": [{"toolResult": result}]}
    stop_reason, _, _ = converse(model, [*CONVERSED, message, answered], toolConfig=TOOLS)
    equal(stop_reason, "end_turn")


@claim
def converse_streams_in_order_to_its_usage():
    events = read_events(MODEL)
    text = "".join(e["delta"]["text"] for name, e in events if name == "contentBlockDelta")
    equal(text, f"echo: {TEXT}")
    equal(
        [name for name, _ in events if name != "contentBlockDelta"],
        ["messageStart", "contentBlockStop", "messageStop", "metadata"],
    )
    equal(dict(events)["messageStop"]["stopReason"], "end_turn")
    assert dict(events)["metadata"]["usage"]["totalTokens"] > 0, "no usage"


@claim
def converse_streams_a_tool_call_that_assembles():
    events = read_events("anthropic.fake-tools", toolConfig=TOOLS)
    starts = [e["start"]["toolUse"] for name, e in events if name == "contentBlockStart"]
    equal([start["name"] for start in starts], ["get_weather"])
    deltas = [e["delta"] for name, e in events if name == "contentBlockDelta"]
    pieces = [delta["toolUse"]["input"] for delta in deltas if "toolUse" in delta]
    equal(sorted(json.loads("".join(pieces))), ["city", "days"])
    equal(dict(events)["messageStop"]["stopReason"], "tool_use")


@claim
def count_tokens_counts_both_kinds_of_request():
    for asked in [{"converse": {"messages": CONVERSED}}, {"invokeModel": {"body": ask()}}]:
        counted = client.count_tokens(modelId=MODEL, input=asked)
        assert counted["inputTokens"] > 0, "no tokens"


@claim
def a_prompt_of_three_megabytes_passes():
    text = "grüße 你好 " * 220_000
    assert len(text.encode()) > 3_000_000
    _, message, _ = converse(MODEL, [{"role": "user", "content": [{"text": text}]}])
    assert message["content"][0]["text"].startswith("echo: grüße 你好")


@claim
def a_stream_of_single_bytes_reads_like_an_answer():
    _, message, _ = converse("anthropic.fake-split-bytes", CONVERSED)
    events = read_events("anthropic.fake-split-bytes")
    text = "".join(e["delta"]["text"] for name, e in events if name == "contentBlockDelta")
    equal(text, message["content"][0]["text"])


if __name__ == "__main__":
    run()
