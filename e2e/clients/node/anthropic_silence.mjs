// @anthropic-ai/sdk: a provider that falls silent before the end of a stream is waited for.

import assert from "node:assert/strict";
import Anthropic from "@anthropic-ai/sdk";
import { run } from "./claims.mjs";

const client = new Anthropic({ maxRetries: 0 });

async function a_stream_goes_on_after_a_silence() {
  const messages = [{ role: "user", content: "say hi" }];
  const ask = { model: "fake-silent-1500", max_tokens: 64, messages };
  const answer = await client.messages.stream(ask).finalMessage();
  assert.equal(answer.content[0].text, "echo: say hi");
  assert.equal(answer.stop_reason, "end_turn");
}

await run(a_stream_goes_on_after_a_silence);
