// ai: each status of the provider throws the AI SDK's error, with the provider's answer in it.

import assert from "node:assert/strict";
import { APICallError, generateText, streamText } from "ai";
import { pretend } from "./ai_sdk_client.mjs";
import { collect, run, thrown } from "./claims.mjs";

const limits = { maxOutputTokens: 64, maxRetries: 0 };
const statuses = [400, 403, 404, 429, 500, 503];

async function checkEach(ask) {
  for (const status of statuses) {
    const model = pretend(`fake-status-${status}`);
    const error = await thrown(Error, () => ask({ model, prompt: "say hi", ...limits }));
    // Each provider's package may bring a class of its own; this is the AI SDK's question.
    assert.ok(APICallError.isInstance(error), `${error.name}: ${error.message}`);
    assert.equal(error.statusCode, status);
    assert.equal(error.isRetryable, status === 429 || status >= 500);
    // The body is an object of the provider, not text of a proxy.
    assert.equal(typeof JSON.parse(error.responseBody), "object");
  }
}

const every_status_of_generate_text_throws = () => checkEach(generateText);

const every_status_of_stream_text_is_an_error_part = () =>
  checkEach(async (asked) => {
    const parts = await collect(streamText({ ...asked, onError: () => {} }).fullStream);
    const failed = parts.find((part) => part.type === "error");
    if (failed) throw failed.error;
    return parts;
  });

await run(every_status_of_generate_text_throws, every_status_of_stream_text_is_an_error_part);
