// openai on Azure: a stream that breaks throws; a part of an answer never looks like one.

import assert from "node:assert/strict";
import OpenAI from "openai";
import { collect, run, thrown } from "./claims.mjs";
import { client } from "./openai_azure_client.mjs";

const messages = [{ role: "user", content: "say hi" }];

const readChat = async (model) =>
  collect(await client.chat.completions.create({ model, messages, stream: true }));

const readResponse = async (model) =>
  collect(await client.responses.create({ model, input: "say hi", stream: true }));

// Without the gateway an early end looks like a whole answer: to the SDK the end of the
// connection is an end like any other.
async function a_chat_stream_that_lacks_its_end_throws() {
  await thrown(OpenAI.APIError, () => readChat("fake-cut-3"));
  await thrown(OpenAI.APIError, () => readChat("fake-end-early-3"));
  // Here the SDK passes on what fetch throws, so no narrower type is promised.
  await thrown(Error, () => readChat("fake-cut-mid-3"));
}

// The SDK throws for no event of Responses: failure is an event of its own there.
async function a_cut_responses_stream_ends_as_failed() {
  for (const model of ["fake-cut-3", "fake-end-early-3"]) {
    const last = (await readResponse(model)).at(-1);
    assert.equal(last.type, "response.failed");
    assert.ok(last.response.error.message);
  }
}

async function an_error_event_in_a_chat_stream_throws_with_its_message() {
  const error = await thrown(OpenAI.APIError, () => readChat("fake-error-event-2"));
  assert.ok(error.message);
}

async function an_answer_after_the_break_is_whole_again() {
  assert.equal((await readChat("our-gpt-5.6")).at(-1).choices[0].finish_reason, "stop");
}

await run(
  a_chat_stream_that_lacks_its_end_throws,
  a_cut_responses_stream_ends_as_failed,
  an_error_event_in_a_chat_stream_throws_with_its_message,
  an_answer_after_the_break_is_whole_again,
);
