// openai: a provider that falls silent before the end of a stream is waited for.

import assert from "node:assert/strict";
import OpenAI from "openai";
import { collect, run } from "./claims.mjs";

const client = new OpenAI({ maxRetries: 0 });

const model = "fake-silent-1500";

async function a_chat_stream_goes_on_after_a_silence() {
  const messages = [{ role: "user", content: "say hi" }];
  const chunks = await collect(await client.chat.completions.create({ model, messages, stream: true }));
  const choices = chunks.flatMap((chunk) => chunk.choices);
  assert.equal(choices.map((choice) => choice.delta.content ?? "").join(""), "echo: say hi");
  assert.equal(choices.at(-1).finish_reason, "stop");
}

async function a_responses_stream_goes_on_after_a_silence() {
  const answer = await client.responses.stream({ model, input: "say hi" }).finalResponse();
  assert.equal(answer.output_text, "echo: say hi");
}

await run(a_chat_stream_goes_on_after_a_silence, a_responses_stream_goes_on_after_a_silence);
