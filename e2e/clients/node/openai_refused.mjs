// openai: a refused key is an error with the gateway's words, after one call with usual retries.

import assert from "node:assert/strict";
import OpenAI from "openai";
import { run, thrown } from "./claims.mjs";

const client = new OpenAI();

const messages = [{ role: "user", content: "say hi" }];

const a_refused_key_is_an_authentication_error = async () => {
  const error = await thrown(OpenAI.AuthenticationError, () =>
    client.chat.completions.create({ model: "gpt-5", messages }),
  );
  assert.equal(error.code, "client_key_unknown");
  assert.match(error.message, /does not know the client key/);
};

await run(a_refused_key_is_an_authentication_error);
