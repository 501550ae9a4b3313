// @anthropic-ai on a cloud: answers, streams, tools and token counts arrive as the SDK types.

import assert from "node:assert/strict";
import { client, model, name } from "./anthropic_clouds_client.mjs";
import { collect, run } from "./claims.mjs";

const text = "say hi, grüße, 你好";
const messages = [{ role: "user", content: text }];
const hello = { model, max_tokens: 64, messages };
const weather = {
  name: "get_weather",
  description: "The weather of a city",
  input_schema: {
    type: "object",
    properties: { city: { type: "string" }, days: { type: "integer" } },
    required: ["city", "days"],
  },
};
const asking = { model: "anthropic.fake-tools", max_tokens: 64, tools: [weather], messages };

function findCall(answer) {
  assert.equal(answer.stop_reason, "tool_use");
  const call = answer.content.find((block) => block.type === "tool_use");
  assert.equal(call.name, "get_weather");
  assert.deepEqual(Object.keys(call.input).sort(), ["city", "days"]);
  return call;
}

async function messages_answers_with_text_and_usage() {
  const answer = await client.messages.create(hello);
  assert.equal(answer.stop_reason, "end_turn");
  assert.equal(answer.content[0].text, `echo: ${text}`);
  assert.ok(answer.usage.input_tokens > 0 && answer.usage.output_tokens > 0);
}

async function messages_keeps_fields_and_headers_that_the_sdk_does_not_know() {
  const answer = await client.messages.create(
    { ...hello, x_new_field: { b: 1, a: [null, 1.5] } },
    {
      headers: {
        "anthropic-beta": "context-1m-2025-08-07,interleaved-thinking-2025-05-14",
        "x-anyray-metadata": "{}",
        cookie: "session=1",
      },
    },
  );
  assert.equal(answer.content[0].text, `echo: ${text}`);
}

async function a_prompt_of_three_megabytes_passes() {
  const content = "grüße 你好 ".repeat(220_000);
  const answer = await client.messages
    .stream({ ...hello, messages: [{ role: "user", content }] })
    .finalMessage();
  assert.ok(answer.content[0].text.startsWith("echo: grüße 你好"));
}

async function messages_streams_in_the_order_of_the_grammar() {
  const events = await collect(await client.messages.create({ ...hello, stream: true }));
  const deltas = events.filter((event) => event.type === "content_block_delta");
  assert.equal(deltas.map((event) => event.delta.text).join(""), `echo: ${text}`);
  assert.deepEqual(
    events.filter((e) => e.type !== "content_block_delta" && e.type !== "ping").map((e) => e.type),
    ["message_start", "content_block_start", "content_block_stop", "message_delta", "message_stop"],
  );
}

async function messages_calls_a_tool_and_answers_its_result() {
  const question = await client.messages.create(asking);
  const call = findCall(question);
  const result = { type: "tool_result", tool_use_id: call.id, content: "sunny" };
  const answer = await client.messages.create({
    ...asking,
    messages: [
      ...messages,
      { role: "assistant", content: question.content },
      { role: "user", content: [result] },
    ],
  });
  assert.equal(answer.stop_reason, "end_turn");
}

async function messages_streams_a_tool_call_that_assembles() {
  assert.ok(findCall(await client.messages.stream(asking).finalMessage()).id);
}

// The client of InvokeModel asks for it on a path that Bedrock does not have.
async function count_tokens_counts_where_the_cloud_can() {
  if (name.startsWith("bedrock")) return;
  assert.ok((await client.messages.countTokens({ model, messages })).input_tokens > 0);
}

async function a_stream_of_single_bytes_reads_like_an_answer() {
  const split = { ...hello, model: "anthropic.fake-split-bytes" };
  const whole = await client.messages.create(split);
  assert.equal(await client.messages.stream(split).finalText(), whole.content[0].text);
}

await run(
  messages_answers_with_text_and_usage,
  messages_keeps_fields_and_headers_that_the_sdk_does_not_know,
  a_prompt_of_three_megabytes_passes,
  messages_streams_in_the_order_of_the_grammar,
  messages_calls_a_tool_and_answers_its_result,
  messages_streams_a_tool_call_that_assembles,
  count_tokens_counts_where_the_cloud_can,
  a_stream_of_single_bytes_reads_like_an_answer,
);
