// @anthropic-ai/sdk: a stream that breaks throws; a part of an answer never looks like one.

import assert from "node:assert/strict";
import Anthropic from "@anthropic-ai/sdk";
import { collect, run, thrown } from "./claims.mjs";

const client = new Anthropic({ maxRetries: 0 });

const ask = { max_tokens: 64, messages: [{ role: "user", content: "say hi" }] };

const readEvents = async (model) =>
  collect(await client.messages.create({ ...ask, model, stream: true }));

const readMessage = (model) => client.messages.stream({ ...ask, model }).finalMessage();

// Without the gateway an early end looks like a whole answer: to the SDK the end of
// the connection is an end like any other.
async function a_cut_stream_throws_an_api_error() {
  for (const model of ["fake-cut-3", "fake-end-early-3"]) {
    const error = await thrown(Anthropic.APIError, () => readEvents(model));
    assert.equal(error.error.error.type, "api_error");
    await thrown(Anthropic.APIError, () => readMessage(model));
  }
}

// Here the SDK passes on what fetch throws, so no narrower type is promised.
async function a_stream_cut_within_an_event_throws() {
  await thrown(Error, () => readEvents("fake-cut-mid-3"));
}

async function an_error_event_throws_with_the_providers_object() {
  const error = await thrown(Anthropic.APIError, () => readEvents("fake-error-event-2"));
  assert.equal(error.error.error.type, "overloaded_error");
  await thrown(Anthropic.APIError, () => readMessage("fake-error-event-2"));
}

async function an_answer_after_the_break_is_whole_again() {
  assert.equal((await readMessage("claude-opus-4-7")).stop_reason, "end_turn");
}

await run(
  a_cut_stream_throws_an_api_error,
  a_stream_cut_within_an_event_throws,
  an_error_event_throws_with_the_providers_object,
  an_answer_after_the_break_is_whole_again,
);
