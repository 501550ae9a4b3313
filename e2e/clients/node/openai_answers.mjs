// openai: answers, streams, tools, embeddings and models arrive as the SDK types.

import assert from "node:assert/strict";
import OpenAI from "openai";
import { collect, run } from "./claims.mjs";

const client = new OpenAI({ maxRetries: 0 });

const text = "say hi, grüße, 你好";
const messages = [{ role: "user", content: text }];
const parameters = {
  type: "object",
  properties: { city: { type: "string" }, days: { type: "integer" } },
  required: ["city", "days"],
};
const weather = { type: "function", function: { name: "get_weather", parameters } };
const flatWeather = { type: "function", name: "get_weather", parameters };

function checkArguments(json) {
  assert.deepEqual(Object.keys(JSON.parse(json)).sort(), ["city", "days"]);
}

async function chat_answers_with_text_usage_and_request_id() {
  const answer = await client.chat.completions.create({ model: "gpt-5.6", messages });
  assert.equal(answer.choices[0].finish_reason, "stop");
  assert.equal(answer.choices[0].message.content, `echo: ${text}`);
  assert.ok(answer.usage.total_tokens > 0);
  assert.match(answer._request_id, /^req_/);
}

async function chat_keeps_fields_and_headers_that_the_sdk_does_not_know() {
  const x_new_field = { b: 1, a: [null, 1.5] };
  const answer = await client.chat.completions.create(
    { model: "gpt-5.6", messages, x_new_field },
    { headers: { "x-new-header": "1", "x-anyray-metadata": "{}", cookie: "session=1" } },
  );
  assert.equal(answer.choices[0].message.content, `echo: ${text}`);
}

async function a_prompt_of_three_megabytes_passes() {
  const input = "grüße 你好 ".repeat(220_000);
  const answer = await client.responses.create({ model: "gpt-5.6", input });
  assert.ok(answer.output_text.startsWith("echo: grüße 你好"));
}

async function chat_streams_in_order_to_a_finish_reason() {
  const chunks = await collect(
    await client.chat.completions.create({
      model: "gpt-5.6",
      messages,
      stream: true,
      stream_options: { include_usage: true },
    }),
  );
  const choices = chunks.flatMap((chunk) => chunk.choices);
  assert.equal(choices[0].delta.role, "assistant");
  assert.equal(choices.at(-1).finish_reason, "stop");
  assert.equal(choices.map((choice) => choice.delta.content ?? "").join(""), `echo: ${text}`);
  assert.ok(chunks.at(-1).usage.total_tokens > 0);
}

async function chat_streams_a_tool_call_that_assembles() {
  const stream = client.chat.completions.stream({
    model: "fake-tools",
    messages,
    tools: [weather],
  });
  const answer = await stream.finalChatCompletion();
  assert.equal(answer.choices[0].finish_reason, "tool_calls");
  const [call] = answer.choices[0].message.tool_calls;
  assert.ok(call.id);
  assert.equal(call.function.name, "get_weather");
  checkArguments(call.function.arguments);
}

async function responses_answers_with_text_usage_and_request_id() {
  const answer = await client.responses.create({ model: "gpt-5.6", input: "say hi" });
  assert.equal(answer.status, "completed");
  assert.equal(answer.output_text, "echo: say hi");
  assert.ok(answer.usage.total_tokens > 0);
  assert.match(answer._request_id, /^req_/);
}

async function responses_streams_numbered_events_to_completed() {
  const stream = client.responses.stream({ model: "gpt-5.6", input: "say hi" });
  const events = await collect(stream);
  assert.equal(events[0].type, "response.created");
  assert.equal(events.at(-1).type, "response.completed");
  const numbers = events.map((event) => event.sequence_number);
  assert.deepEqual(numbers, [...new Set(numbers)].sort((a, b) => a - b));
  const answer = await stream.finalResponse();
  assert.equal(answer.output_text, "echo: say hi");
}

async function responses_streams_a_tool_call_that_assembles() {
  const stream = client.responses.stream({
    model: "fake-tools",
    input: "weather?",
    tools: [flatWeather],
  });
  const answer = await stream.finalResponse();
  const call = answer.output.find((item) => item.type === "function_call");
  assert.ok(call.call_id);
  assert.equal(call.name, "get_weather");
  checkArguments(call.arguments);
}

async function embeddings_decode_from_base64_and_from_floats() {
  const ask = { model: "text-embedding-3-small", input: ["a", "b"] };
  const packed = await client.embeddings.create(ask);
  const plain = await client.embeddings.create({ ...ask, encoding_format: "float" });
  assert.equal(packed.data.length, 2);
  packed.data.forEach(({ embedding }, index) => {
    assert.ok(embedding.length > 0);
    embedding.forEach((value, at) => {
      assert.ok(Math.abs(value - plain.data[index].embedding[at]) < 1e-6);
    });
  });
}

async function models_list_and_retrieve_an_id_with_a_slash() {
  const listed = await collect(client.models.list());
  assert.ok(listed.length > 0 && listed.every((model) => model.object === "model"));
  assert.equal((await client.models.retrieve(listed[0].id)).id, listed[0].id);
  assert.equal((await client.models.retrieve("acme/tuned-v1")).id, "acme/tuned-v1");
}

async function a_stream_of_single_bytes_reads_like_an_answer() {
  const model = "fake-split-bytes";
  const whole = await client.chat.completions.create({ model, messages });
  const split = await collect(await client.chat.completions.create({ model, messages, stream: true }));
  const pieces = split.flatMap((chunk) => chunk.choices).map((choice) => choice.delta.content ?? "");
  assert.equal(pieces.join(""), whole.choices[0].message.content);
}

await run(
  chat_answers_with_text_usage_and_request_id,
  chat_keeps_fields_and_headers_that_the_sdk_does_not_know,
  a_prompt_of_three_megabytes_passes,
  chat_streams_in_order_to_a_finish_reason,
  chat_streams_a_tool_call_that_assembles,
  responses_answers_with_text_usage_and_request_id,
  responses_streams_numbered_events_to_completed,
  responses_streams_a_tool_call_that_assembles,
  embeddings_decode_from_base64_and_from_floats,
  models_list_and_retrieve_an_id_with_a_slash,
  a_stream_of_single_bytes_reads_like_an_answer,
);
