// @anthropic-ai/sdk: the SDK's own retries see the provider's failures and then its answer.

import assert from "node:assert/strict";
import Anthropic from "@anthropic-ai/sdk";
import { run, thrown } from "./claims.mjs";

const ask = { max_tokens: 64, messages: [{ role: "user", content: "say hi" }] };

async function two_failures_and_then_an_answer() {
  const answer = await new Anthropic().messages.create({ ...ask, model: "fake-fail-2-529" });
  assert.equal(answer.content[0].text, "echo: say hi");
}

async function without_retries_the_failure_is_the_providers() {
  const client = new Anthropic({ maxRetries: 0 });
  const fail = () => client.messages.create({ ...ask, model: "fake-status-500" });
  assert.equal((await thrown(Anthropic.InternalServerError, fail)).status, 500);
}

await run(two_failures_and_then_an_answer, without_retries_the_failure_is_the_providers);
