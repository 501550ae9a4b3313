#!/usr/bin/env node
// Runs the program of this machine's platform as if it had been called itself: the same terminal,
// signals and exit status. The program is in vendor/, named as Node names the platform.
"use strict";

const { spawn } = require("node:child_process");
const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");
const { repository } = require("./package.json");

const VENDOR = path.join(__dirname, "vendor");

// Those that ask a program to end; the terminal sends some of them to both of us, and a second
// one does no harm.
const FORWARDED = ["SIGINT", "SIGTERM", "SIGHUP"];

function main() {
  const platform = `${process.platform}-${process.arch}`;
  const name = process.platform === "win32" ? "anyray-connect.exe" : "anyray-connect";
  const program = path.join(VENDOR, platform, name);
  if (!fs.existsSync(program)) {
    const known = fs.existsSync(VENDOR) ? fs.readdirSync(VENDOR).sort().join(", ") : "";
    const source = repository.url.replace(/^git\+|\.git$/g, "");
    fail(
      `this package has no program for ${platform}, only for ${known || "no platform at all"}.\n` +
        `Build it where Rust is installed: cargo install --git ${source} anyray-connect`,
    );
    return;
  }
  run(program);
}

function run(program) {
  // Before there is a program: it could be at work, and we be ended without it, before the next line.
  let child;
  for (const signal of FORWARDED) {
    process.on(signal, () => child.kill(signal));
  }
  child = spawn(program, process.argv.slice(2), { stdio: "inherit" });
  child.on("error", (error) => {
    fail(`${program} does not start (${error.code}): install the package again, where programs may run`);
  });
  child.on("exit", (status, signal) => {
    if (signal === null) {
      process.exitCode = status;
    } else {
      endBy(signal);
    }
  });
}

// Ends as the program did, so that a shell sees what it would have seen.
function endBy(signal) {
  // In case that the signal does not end us, as one that Node ignores.
  process.exitCode = 128 + (os.constants.signals[signal] ?? 0);
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
}

function fail(text) {
  console.error(`anyray-connect: ${text}`);
  process.exitCode = 1;
}

main();
