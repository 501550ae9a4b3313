// @anthropic-ai on a cloud: each status of the provider throws its own type, with its message.

import assert from "node:assert/strict";
import Anthropic from "@anthropic-ai/sdk";
import { client } from "./anthropic_clouds_client.mjs";
import { run, thrown } from "./claims.mjs";

const messages = [{ role: "user", content: "say hi" }];
const types = new Map([
  [400, Anthropic.BadRequestError],
  [403, Anthropic.PermissionDeniedError],
  [404, Anthropic.NotFoundError],
  [429, Anthropic.RateLimitError],
  [500, Anthropic.InternalServerError],
  [503, Anthropic.InternalServerError],
]);

async function checkEach(ask) {
  for (const [status, type] of types) {
    const error = await thrown(type, () => ask(`anthropic.fake-status-${status}`));
    assert.equal(error.status, status);
    // The body is an object of the provider, in its own shape, not text of a proxy; AWS
    // spells its message in two ways.
    const body = error.error;
    const message = body.message ?? body.Message ?? body.error.message;
    assert.ok(message && error.message.includes(message), `message lost in ${error.message}`);
  }
}

const every_status_of_messages_throws_its_type = () =>
  checkEach((model) => client.messages.create({ model, max_tokens: 64, messages }));

const every_status_of_a_stream_throws_its_type = () =>
  checkEach((model) => client.messages.create({ model, max_tokens: 64, messages, stream: true }));

await run(every_status_of_messages_throws_its_type, every_status_of_a_stream_throws_its_type);
