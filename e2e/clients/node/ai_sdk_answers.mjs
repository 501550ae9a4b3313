// ai: answers, streams and tools of each provider arrive as the AI SDK's results.

import assert from "node:assert/strict";
import { generateText, jsonSchema, stepCountIs, streamText, tool } from "ai";
import { model, pretend } from "./ai_sdk_client.mjs";
import { collect, run } from "./claims.mjs";

const limits = { maxOutputTokens: 64, maxRetries: 0 };
const prompt = "say hi, grüße, 你好";
const weather = tool({
  description: "The weather of a city",
  inputSchema: jsonSchema({
    type: "object",
    properties: { city: { type: "string" }, days: { type: "integer" } },
    required: ["city", "days"],
  }),
  execute: async ({ city, days }) => `sunny in ${city} for ${days} days`,
});
const tools = { get_weather: weather };

function checkUsage({ inputTokens, outputTokens }) {
  assert.ok(inputTokens > 0 && outputTokens > 0, "no usage");
}

function checkCalls(calls) {
  assert.deepEqual(calls.map((call) => call.toolName), ["get_weather"]);
  assert.deepEqual(Object.keys(calls[0].input).sort(), ["city", "days"]);
}

async function generate_text_answers_with_text_and_usage() {
  const answer = await generateText({ model, prompt, instructions: "be brief", ...limits });
  assert.equal(answer.text, `echo: ${prompt}`);
  assert.equal(answer.finishReason, "stop");
  checkUsage(answer.usage);
}

async function stream_text_gives_pieces_that_add_up() {
  const answer = streamText({ model, prompt, ...limits });
  const pieces = await collect(answer.textStream);
  assert.ok(pieces.length > 1, "the answer did not come in pieces");
  assert.equal(pieces.join(""), `echo: ${prompt}`);
  assert.equal(await answer.finishReason, "stop");
  checkUsage(await answer.usage);
}

async function a_tool_is_called_and_its_result_answered() {
  const answer = await generateText({
    model: pretend("fake-tools"),
    prompt,
    tools,
    stopWhen: stepCountIs(2),
    ...limits,
  });
  const [asked, answered] = answer.steps;
  assert.equal(asked.finishReason, "tool-calls");
  checkCalls(asked.toolCalls);
  assert.match(asked.toolResults[0].output, /^sunny/);
  assert.equal(answered.finishReason, "stop");
}

async function a_streamed_tool_call_assembles() {
  const answer = streamText({ model: pretend("fake-tools"), prompt, tools, ...limits });
  checkCalls(await answer.toolCalls);
}

async function a_prompt_of_three_megabytes_passes() {
  const answer = await generateText({ model, prompt: "grüße 你好 ".repeat(220_000), ...limits });
  assert.ok(answer.text.startsWith("echo: grüße 你好"));
}

async function a_stream_of_single_bytes_reads_like_an_answer() {
  const split = { model: pretend("fake-split-bytes"), prompt, ...limits };
  const pieces = await collect(streamText(split).textStream);
  assert.equal(pieces.join(""), (await generateText(split)).text);
}

await run(
  generate_text_answers_with_text_and_usage,
  stream_text_gives_pieces_that_add_up,
  a_tool_is_called_and_its_result_answered,
  a_streamed_tool_call_assembles,
  a_prompt_of_three_megabytes_passes,
  a_stream_of_single_bytes_reads_like_an_answer,
);
