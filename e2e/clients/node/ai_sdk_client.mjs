// Makes the model of the Vercel AI SDK that ANYRAY_CLIENT names, with nothing but the gateway's key.
//
// What it is asked and must answer is in the scripts `ai_sdk_*.mjs`: the AI SDK gives
// every provider one face, and each speaks its own wire format.

import { createAmazonBedrock } from "@ai-sdk/amazon-bedrock";
import { createAmazonBedrockAnthropic } from "@ai-sdk/amazon-bedrock/anthropic";
import { createAnthropic } from "@ai-sdk/anthropic";
import { createAzure } from "@ai-sdk/azure";
import { createGoogleVertex } from "@ai-sdk/google-vertex";
import { createGoogleVertexAnthropic } from "@ai-sdk/google-vertex/anthropic";
import { createOpenAI } from "@ai-sdk/openai";
import { OAuth2Client } from "google-auth-library";

const url = process.env.ANYRAY_URL;
const apiKey = process.env.ANYRAY_KEY;
const headers = { "x-anyray-metadata": '{"team":"blue"}', cookie: "session=1" };

const openai = createOpenAI({ baseURL: `${url}/v1`, apiKey, headers });
const anthropic = createAnthropic({ baseURL: `${url}/v1`, apiKey, headers });
const azure = createAzure({ baseURL: `${url}/openai/v1`, apiKey, headers });
const deployments = createAzure({
  baseURL: `${url}/openai`,
  apiKey,
  apiVersion: "2024-10-21",
  useDeploymentBasedUrls: true,
  headers,
});

const aws = { region: "eu-central-1", baseURL: url, headers };
// AWS's clients cannot leave the signature out; the gateway takes the key from its id.
const signed = { ...aws, accessKeyId: apiKey, secretAccessKey: "of no use to anybody" };

const place = { project: "a-project", location: "europe-west1" };
const publishers = `${url}/v1/projects/a-project/locations/europe-west1/publishers`;
const authClient = new OAuth2Client();
authClient.setCredentials({ access_token: apiKey, expiry_date: Date.now() + 3_600_000 });
const google = { ...place, baseURL: `${publishers}/google`, headers };
const vertexAnthropic = createGoogleVertexAnthropic({
  ...place,
  baseURL: `${publishers}/anthropic/models`,
  googleAuthOptions: { authClient },
  headers,
});

// Of each client what makes a model by name, and the name of one that answers.
const clients = {
  "openai-chat": [openai.chat, "gpt-5.6"],
  openai: [openai, "gpt-5.6"],
  anthropic: [anthropic, "claude-opus-4-7"],
  "azure-chat": [azure.chat, "our-gpt-5.6"],
  azure: [azure, "our-gpt-5.6"],
  "azure-deployments": [deployments.chat, "our-gpt-5.6"],
  bedrock: [createAmazonBedrock({ ...aws, apiKey }), "us.anthropic.claude-opus-4-7"],
  "bedrock-signed": [createAmazonBedrock(signed), "us.anthropic.claude-opus-4-7"],
  "bedrock-anthropic": [
    createAmazonBedrockAnthropic({ ...aws, apiKey }),
    "us.anthropic.claude-opus-4-7",
  ],
  vertex: [createGoogleVertex({ ...google, googleAuthOptions: { authClient } }), "gemini-3-pro"],
  "vertex-key": [createGoogleVertex({ ...google, apiKey }), "gemini-3-pro"],
  "vertex-anthropic": [vertexAnthropic, "claude-sonnet-4-5@20250929"],
};

const [make, answering] = clients[process.env.ANYRAY_CLIENT];
const maker = process.env.ANYRAY_CLIENT.startsWith("bedrock") ? "anthropic." : "";

/** The model that answers. */
export const model = make(answering);

/** The model that makes the provider do what the scenario says. */
export const pretend = (scenario) => make(`${maker}${scenario}`);
