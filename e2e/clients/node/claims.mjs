// Runs the claims of one script in the order in which they are written.
//
// A claim is a function whose name says what holds. Each that holds prints one
// line; the first that does not prints its reason and ends the script with 1.
// Keys and base URLs come from the environment only: the scripts are what a user
// would write.

import assert from "node:assert/strict";

/** Checks every claim, or those named on the command line. */
export async function run(...claims) {
  const wanted = process.argv.slice(2);
  for (const claim of claims) {
    if (wanted.length > 0 && !wanted.includes(claim.name)) continue;
    try {
      await claim();
    } catch (error) {
      console.error(error);
      console.log(`failed ${claim.name}: ${error?.name}: ${error?.message}`);
      process.exit(1);
    }
    console.log(`ok ${claim.name}`);
  }
}

/** Runs the action and returns the error of that kind which it must throw. */
export async function thrown(kind, action) {
  let result;
  try {
    result = await action();
  } catch (error) {
    assert.ok(error instanceof kind, `expected ${kind.name}, got ${error?.name}: ${error?.message}`);
    return error;
  }
  assert.fail(`expected ${kind.name}, got the answer ${JSON.stringify(result)}`);
}

/** Reads an asynchronous stream to its end. */
export async function collect(stream) {
  const items = [];
  for await (const item of stream) items.push(item);
  return items;
}
