// @anthropic-ai/sdk: answers, streams, tools, token counts and models arrive as the SDK types.

import assert from "node:assert/strict";
import Anthropic from "@anthropic-ai/sdk";
import { collect, run } from "./claims.mjs";

const client = new Anthropic({ maxRetries: 0 });

const model = "claude-opus-4-7";
const max_tokens = 64;
const text = "say hi, grüße, 你好";
const messages = [{ role: "user", content: text }];
const weather = {
  name: "get_weather",
  input_schema: {
    type: "object",
    properties: { city: { type: "string" }, days: { type: "integer" } },
    required: ["city", "days"],
  },
};

async function messages_answers_with_text_usage_and_request_id() {
  const answer = await client.messages.create({ model, max_tokens, messages });
  assert.equal(answer.stop_reason, "end_turn");
  assert.equal(answer.content[0].text, `echo: ${text}`);
  assert.ok(answer.usage.input_tokens > 0 && answer.usage.output_tokens > 0);
  assert.match(answer._request_id, /^req_/);
}

async function messages_keeps_fields_and_betas_that_the_sdk_does_not_know() {
  const answer = await client.messages.create(
    { model, max_tokens, messages, x_new_field: { b: 1, a: [null, 1.5] } },
    {
      headers: {
        "anthropic-beta": "some-beta-2027-01-01,other-beta-2027-01-01",
        "x-anyray-metadata": "{}",
        cookie: "session=1",
      },
    },
  );
  assert.equal(answer.content[0].text, `echo: ${text}`);
}

async function a_prompt_of_three_megabytes_passes() {
  const content = "grüße 你好 ".repeat(220_000);
  const ask = { model, max_tokens, messages: [{ role: "user", content }] };
  const answer = await client.messages.stream(ask).finalMessage();
  assert.ok(answer.content[0].text.startsWith("echo: grüße 你好"));
}

async function messages_streams_in_the_order_of_the_grammar() {
  const events = await collect(
    await client.messages.create({ model, max_tokens, messages, stream: true }),
  );
  const deltas = events.filter((event) => event.type === "content_block_delta");
  assert.equal(deltas.map((event) => event.delta.text).join(""), `echo: ${text}`);
  assert.deepEqual(
    events.map((event) => event.type).filter((type) => type !== "content_block_delta"),
    ["message_start", "content_block_start", "content_block_stop", "message_delta", "message_stop"],
  );
}

async function the_stream_helper_accumulates_the_final_message() {
  const stream = client.messages.stream({ model, max_tokens, messages });
  const answer = await stream.finalMessage();
  assert.equal(answer.content[0].text, `echo: ${text}`);
  assert.equal(answer.stop_reason, "end_turn");
}

async function messages_calls_a_tool_and_answers_its_result() {
  const ask = { model: "fake-tools", max_tokens, tools: [weather] };
  const question = await client.messages.create({ ...ask, messages });
  assert.equal(question.stop_reason, "tool_use");
  const call = question.content.find((block) => block.type === "tool_use");
  const result = { type: "tool_result", tool_use_id: call.id, content: "sunny" };
  const answer = await client.messages.create({
    ...ask,
    messages: [
      ...messages,
      { role: "assistant", content: question.content },
      { role: "user", content: [result] },
    ],
  });
  assert.equal(answer.stop_reason, "end_turn");
}

async function messages_streams_a_tool_call_that_assembles() {
  const stream = client.messages.stream({
    model: "fake-tools",
    max_tokens,
    messages,
    tools: [weather],
  });
  const answer = await stream.finalMessage();
  assert.equal(answer.stop_reason, "tool_use");
  const call = answer.content.find((block) => block.type === "tool_use");
  assert.ok(call.id);
  assert.equal(call.name, "get_weather");
  assert.deepEqual(Object.keys(call.input).sort(), ["city", "days"]);
}

async function count_tokens_counts() {
  assert.ok((await client.messages.countTokens({ model, messages })).input_tokens > 0);
}

async function models_list_and_retrieve_an_id_with_a_slash() {
  const listed = await collect(client.models.list());
  assert.ok(listed.length > 0 && listed.every((listedModel) => listedModel.type === "model"));
  assert.equal((await client.models.retrieve(listed[0].id)).id, listed[0].id);
  assert.equal((await client.models.retrieve("acme/tuned-v1")).id, "acme/tuned-v1");
}

async function a_stream_of_single_bytes_reads_like_an_answer() {
  const ask = { model: "fake-split-bytes", max_tokens, messages };
  const whole = await client.messages.create(ask);
  const split = await client.messages.stream(ask).finalMessage();
  assert.equal(split.content[0].text, whole.content[0].text);
}

await run(
  messages_answers_with_text_usage_and_request_id,
  messages_keeps_fields_and_betas_that_the_sdk_does_not_know,
  a_prompt_of_three_megabytes_passes,
  messages_streams_in_the_order_of_the_grammar,
  the_stream_helper_accumulates_the_final_message,
  messages_calls_a_tool_and_answers_its_result,
  messages_streams_a_tool_call_that_assembles,
  count_tokens_counts,
  models_list_and_retrieve_an_id_with_a_slash,
  a_stream_of_single_bytes_reads_like_an_answer,
);
