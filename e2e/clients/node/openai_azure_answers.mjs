// openai on Azure: answers, streams, tools, embeddings and models arrive as the SDK types.

import assert from "node:assert/strict";
import { collect, run } from "./claims.mjs";
import { client } from "./openai_azure_client.mjs";

const model = "our-gpt-5.6";
const text = "say hi, grüße, 你好";
const messages = [{ role: "user", content: text }];
const parameters = {
  type: "object",
  properties: { city: { type: "string" }, days: { type: "integer" } },
  required: ["city", "days"],
};
const tools = [{ type: "function", function: { name: "get_weather", parameters } }];

async function chat_answers_with_text_usage_and_what_azure_filtered() {
  const answer = await client.chat.completions.create({ model, messages });
  const [choice] = answer.choices;
  assert.equal(choice.finish_reason, "stop");
  assert.equal(choice.message.content, `echo: ${text}`);
  assert.ok(answer.usage.total_tokens > 0);
  assert.ok(choice.content_filter_results, "nothing of Azure's filter");
}

async function chat_keeps_fields_and_headers_that_the_sdk_does_not_know() {
  const x_new_field = { b: 1, a: [null, 1.5] };
  const answer = await client.chat.completions.create(
    { model, messages, x_new_field },
    { headers: { "x-new-header": "1", "x-anyray-metadata": "{}", cookie: "session=1" } },
  );
  assert.equal(answer.choices[0].message.content, `echo: ${text}`);
}

async function chat_streams_in_order_to_a_finish_reason() {
  const chunks = await collect(
    await client.chat.completions.create({
      model,
      messages,
      stream: true,
      stream_options: { include_usage: true },
    }),
  );
  assert.deepEqual(chunks[0].choices, [], "Azure's first chunk tells of its filter");
  const choices = chunks.flatMap((chunk) => chunk.choices);
  assert.equal(choices.at(-1).finish_reason, "stop");
  assert.equal(choices.map((choice) => choice.delta.content ?? "").join(""), `echo: ${text}`);
  assert.ok(chunks.at(-1).usage.total_tokens > 0);
}

async function chat_streams_a_tool_call_that_assembles() {
  const stream = client.chat.completions.stream({ model: "fake-tools", messages, tools });
  const answer = await stream.finalChatCompletion();
  assert.equal(answer.choices[0].finish_reason, "tool_calls");
  const [call] = answer.choices[0].message.tool_calls;
  assert.ok(call.id);
  assert.equal(call.function.name, "get_weather");
  assert.deepEqual(Object.keys(JSON.parse(call.function.arguments)).sort(), ["city", "days"]);
}

async function responses_answers_and_streams() {
  const answer = await client.responses.create({ model, input: "say hi" });
  assert.equal(answer.status, "completed");
  assert.equal(answer.output_text, "echo: say hi");
  const stream = client.responses.stream({ model, input: "say hi" });
  const events = await collect(stream);
  assert.equal(events[0].type, "response.created");
  assert.equal(events.at(-1).type, "response.completed");
  assert.equal((await stream.finalResponse()).output_text, "echo: say hi");
}

async function embeddings_decode() {
  const answer = await client.embeddings.create({ model: "our-embeddings", input: ["a", "b"] });
  assert.equal(answer.data.length, 2);
  assert.ok(answer.data.every(({ embedding }) => embedding.length > 0));
}

async function models_are_listed() {
  const listed = await collect(client.models.list());
  assert.ok(listed.length > 0 && listed.every((model) => model.id));
}

async function a_prompt_of_three_megabytes_passes() {
  const content = "grüße 你好 ".repeat(220_000);
  const answer = await client.chat.completions.create({
    model,
    messages: [{ role: "user", content }],
  });
  assert.ok(answer.choices[0].message.content.startsWith("echo: grüße 你好"));
}

async function a_stream_of_single_bytes_reads_like_an_answer() {
  const asked = { model: "fake-split-bytes", messages };
  const whole = await client.chat.completions.create(asked);
  const split = await collect(await client.chat.completions.create({ ...asked, stream: true }));
  const pieces = split.flatMap((chunk) => chunk.choices).map((choice) => choice.delta.content ?? "");
  assert.equal(pieces.join(""), whole.choices[0].message.content);
}

await run(
  chat_answers_with_text_usage_and_what_azure_filtered,
  chat_keeps_fields_and_headers_that_the_sdk_does_not_know,
  chat_streams_in_order_to_a_finish_reason,
  chat_streams_a_tool_call_that_assembles,
  responses_answers_and_streams,
  embeddings_decode,
  models_are_listed,
  a_prompt_of_three_megabytes_passes,
  a_stream_of_single_bytes_reads_like_an_answer,
);
