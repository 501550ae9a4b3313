// @anthropic-ai on a cloud: a stream that breaks throws; a part of an answer never looks like one.

import assert from "node:assert/strict";
import { client, model } from "./anthropic_clouds_client.mjs";
import { collect, run, thrown } from "./claims.mjs";

const messages = [{ role: "user", content: "say hi" }];

const readEvents = async (model) =>
  collect(await client.messages.create({ model, max_tokens: 64, messages, stream: true }));

const readMessage = (model) =>
  client.messages.stream({ model, max_tokens: 64, messages }).finalMessage();

// Without the gateway an early end looks like a whole answer: to the SDK the end of the
// connection is an end like any other.
async function a_stream_that_lacks_its_end_throws() {
  for (const scenario of ["fake-cut-3", "fake-end-early-3", "fake-cut-mid-3"]) {
    await thrown(Error, () => readEvents(`anthropic.${scenario}`));
    await thrown(Error, () => readMessage(`anthropic.${scenario}`));
  }
}

async function an_error_within_the_stream_throws() {
  const error = await thrown(Error, () => readEvents("anthropic.fake-error-event-2"));
  assert.ok(error.message);
  await thrown(Error, () => readMessage("anthropic.fake-error-event-2"));
}

async function an_answer_after_the_break_is_whole_again() {
  assert.equal((await readMessage(model)).stop_reason, "end_turn");
}

await run(
  a_stream_that_lacks_its_end_throws,
  an_error_within_the_stream_throws,
  an_answer_after_the_break_is_whole_again,
);
