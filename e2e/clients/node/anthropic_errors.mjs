// @anthropic-ai/sdk: each status of the provider throws its own type, with message and request id.

import assert from "node:assert/strict";
import Anthropic from "@anthropic-ai/sdk";
import { run, thrown } from "./claims.mjs";

const client = new Anthropic({ maxRetries: 0 });

const messages = [{ role: "user", content: "say hi" }];
const types = new Map([
  [400, Anthropic.BadRequestError],
  [401, Anthropic.AuthenticationError],
  [402, Anthropic.APIError],
  [403, Anthropic.PermissionDeniedError],
  [404, Anthropic.NotFoundError],
  [409, Anthropic.ConflictError],
  [413, Anthropic.APIError],
  [429, Anthropic.RateLimitError],
  [500, Anthropic.InternalServerError],
  [503, Anthropic.InternalServerError],
  [529, Anthropic.InternalServerError],
]);

async function checkEach(ask) {
  for (const [status, type] of types) {
    const error = await thrown(type, () => ask(`fake-status-${status}`));
    assert.equal(error.status, status);
    // The body is an object of the provider, not text of a proxy.
    assert.equal(error.error.type, "error");
    assert.ok(error.message.includes(error.error.error.message));
    assert.match(error.requestID, /^req_/);
    assert.equal(error.error.request_id, error.requestID);
  }
}

const every_status_of_messages_throws_its_type = () =>
  checkEach((model) => client.messages.create({ model, max_tokens: 64, messages }));

const every_status_of_a_stream_throws_its_type = () =>
  checkEach((model) => client.messages.create({ model, max_tokens: 64, messages, stream: true }));

await run(every_status_of_messages_throws_its_type, every_status_of_a_stream_throws_its_type);
