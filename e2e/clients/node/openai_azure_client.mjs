// Makes openai's client of Azure OpenAI, with the gateway's key in the form that ANYRAY_CLIENT names.

import OpenAI, { AzureOpenAI } from "openai";

const url = process.env.ANYRAY_URL;
const apiKey = process.env.ANYRAY_KEY;

const classic = { endpoint: url, apiVersion: "2024-10-21", maxRetries: 0 };
const current = { baseURL: `${url}/openai/v1/`, maxRetries: 0 };

const forms = {
  deployments: () => new AzureOpenAI({ ...classic, apiKey }),
  "deployments-token": () =>
    new AzureOpenAI({ ...classic, azureADTokenProvider: async () => apiKey }),
  // Azure's own client spells no path of v1 right, so its users take the plain one.
  v1: () => new OpenAI({ ...current, apiKey }),
  "v1-preview": () =>
    new OpenAI({
      ...current,
      apiKey,
      defaultHeaders: { "api-key": apiKey },
      defaultQuery: { "api-version": "preview" },
    }),
};

/** A client that does not try again. */
export const client = forms[process.env.ANYRAY_CLIENT]();
