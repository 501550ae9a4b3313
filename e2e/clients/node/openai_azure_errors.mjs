// openai on Azure: each status of the provider throws its own type, with Azure's message.

import assert from "node:assert/strict";
import OpenAI from "openai";
import { run, thrown } from "./claims.mjs";
import { client } from "./openai_azure_client.mjs";

const messages = [{ role: "user", content: "say hi" }];
const types = new Map([
  [400, OpenAI.BadRequestError],
  [401, OpenAI.AuthenticationError],
  [403, OpenAI.PermissionDeniedError],
  [404, OpenAI.NotFoundError],
  [429, OpenAI.RateLimitError],
  [500, OpenAI.InternalServerError],
  [503, OpenAI.InternalServerError],
]);

async function checkEach(ask) {
  for (const [status, type] of types) {
    const error = await thrown(type, () => ask(`fake-status-${status}`));
    assert.equal(error.status, status);
    // The body is an object of the provider, not text of a proxy.
    assert.ok(error.error?.message, `${status}: body ${JSON.stringify(error.error)}`);
    assert.ok(error.message.includes(error.error.message));
  }
}

const every_status_of_chat_throws_its_type = () =>
  checkEach((model) => client.chat.completions.create({ model, messages }));

const every_status_of_a_chat_stream_throws_its_type = () =>
  checkEach((model) => client.chat.completions.create({ model, messages, stream: true }));

const every_status_of_responses_throws_its_type = () =>
  checkEach((model) => client.responses.create({ model, input: "say hi" }));

await run(
  every_status_of_chat_throws_its_type,
  every_status_of_a_chat_stream_throws_its_type,
  every_status_of_responses_throws_its_type,
);
