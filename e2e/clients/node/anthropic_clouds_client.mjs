// Makes the client of a cloud's Claude that ANYRAY_CLIENT names, with nothing but the gateway's key.
//
// What it is asked and must answer is in the scripts `anthropic_clouds_*.mjs`: the
// clients have one face, each speaks another wire format.

import { AnthropicBedrock, AnthropicBedrockMantle } from "@anthropic-ai/bedrock-sdk";
import Anthropic from "@anthropic-ai/sdk";
import { AnthropicVertex } from "@anthropic-ai/vertex-sdk";
import { OAuth2Client } from "google-auth-library";

const url = process.env.ANYRAY_URL;
const apiKey = process.env.ANYRAY_KEY;

const aws = { awsRegion: "eu-central-1", baseURL: url, maxRetries: 0 };
const mantle = { ...aws, baseURL: `${url}/anthropic` };
// AWS's clients cannot leave the signature out; the gateway takes the key from its id.
const signed = { awsAccessKey: apiKey, awsSecretKey: "of no use to anybody" };

const authClient = new OAuth2Client();
authClient.setCredentials({ access_token: apiKey, expiry_date: Date.now() + 3_600_000 });
const google = { projectId: "a-project", region: "europe-west1", authClient, maxRetries: 0 };

/** Anthropic's own client, sent to a cloud by the gateway. */
const anthropicBy = (provider) =>
  new Anthropic({
    apiKey,
    baseURL: url,
    maxRetries: 0,
    defaultHeaders: { "x-anyray-provider": provider },
  });

const clients = {
  bedrock: () => new AnthropicBedrock({ ...aws, apiKey }),
  "bedrock-signed": () => new AnthropicBedrock({ ...aws, ...signed }),
  mantle: () => new AnthropicBedrockMantle({ ...mantle, apiKey }),
  "mantle-signed": () =>
    new AnthropicBedrockMantle({ ...mantle, awsAccessKey: apiKey, awsSecretAccessKey: "none" }),
  vertex: () => new AnthropicVertex({ ...google, baseURL: url }),
  "vertex-v1": () => new AnthropicVertex({ ...google, baseURL: `${url}/v1` }),
  "bedrock-anthropic": () => anthropicBy("bedrock"),
  "vertex-anthropic": () => anthropicBy("google-vertex-ai"),
};

/** Which client this is. */
export const name = process.env.ANYRAY_CLIENT;

/** A client that does not try again. */
export const client = clients[name]();

/** A model of the cloud, as its documents spell it. */
export const model = name.startsWith("vertex")
  ? "claude-sonnet-4-5@20250929"
  : "us.anthropic.claude-opus-4-7";
