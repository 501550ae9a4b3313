// @anthropic-ai/sdk: a refused key is an error with the gateway's words, after one call with usual
// retries.

import assert from "node:assert/strict";
import Anthropic from "@anthropic-ai/sdk";
import { run, thrown } from "./claims.mjs";

const client = new Anthropic();

const messages = [{ role: "user", content: "say hi" }];

const a_refused_key_is_an_authentication_error = async () => {
  const error = await thrown(Anthropic.AuthenticationError, () =>
    client.messages.create({ model: "claude-opus-5", max_tokens: 64, messages }),
  );
  assert.equal(error.error.error.type, "authentication_error");
  assert.match(error.message, /does not know the client key/);
};

await run(a_refused_key_is_an_authentication_error);
