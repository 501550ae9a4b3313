// ai: a stream that breaks is an error; a part of an answer never looks like one.

import assert from "node:assert/strict";
import { streamText } from "ai";
import { model, pretend } from "./ai_sdk_client.mjs";
import { collect, run } from "./claims.mjs";

const limits = { maxOutputTokens: 64, maxRetries: 0 };

/** The parts of a stream, or those before it threw and an error. */
async function read(model) {
  const parts = [];
  try {
    const { fullStream } = streamText({ model, prompt: "say hi", ...limits, onError: () => {} });
    for await (const part of fullStream) parts.push(part);
  } catch (error) {
    parts.push({ type: "error", error });
  }
  return parts;
}

function checkBroken(parts) {
  assert.ok(parts.some((part) => part.type === "error"), JSON.stringify(parts));
  const isWhole = parts.some((part) => part.type === "finish" && part.finishReason === "stop");
  assert.ok(!isWhole, "it looks like a whole answer");
}

async function a_stream_that_lacks_its_end_is_an_error() {
  for (const scenario of ["fake-cut-2", "fake-end-early-2", "fake-cut-mid-2"]) {
    checkBroken(await read(pretend(scenario)));
  }
}

async function an_error_within_the_stream_is_an_error() {
  checkBroken(await read(pretend("fake-error-event-2")));
}

async function an_answer_after_the_break_is_whole_again() {
  const answer = streamText({ model, prompt: "say hi", ...limits });
  assert.equal((await collect(answer.textStream)).join(""), "echo: say hi");
  assert.equal(await answer.finishReason, "stop");
}

await run(
  a_stream_that_lacks_its_end_is_an_error,
  an_error_within_the_stream_is_an_error,
  an_answer_after_the_break_is_whole_again,
);
