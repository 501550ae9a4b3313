// openai: the SDK's own retries see the provider's failures and then its answer.

import assert from "node:assert/strict";
import OpenAI from "openai";
import { run, thrown } from "./claims.mjs";

const messages = [{ role: "user", content: "say hi" }];

async function two_failures_and_then_an_answer() {
  const answer = await new OpenAI().chat.completions.create({ model: "fake-fail-2-500", messages });
  assert.equal(answer.choices[0].message.content, "echo: say hi");
}

async function without_retries_the_failure_is_the_providers() {
  const client = new OpenAI({ maxRetries: 0 });
  const ask = () => client.chat.completions.create({ model: "fake-status-500", messages });
  assert.equal((await thrown(OpenAI.InternalServerError, ask)).status, 500);
}

await run(two_failures_and_then_an_answer, without_retries_the_failure_is_the_providers);
