"""Makes openai's client of Azure OpenAI, with the gateway's key in the form that ANYRAY_CLIENT names."""

import os

from openai import AsyncAzureOpenAI, AsyncOpenAI, AzureOpenAI, OpenAI

NAME = os.environ["ANYRAY_CLIENT"]
URL = os.environ["ANYRAY_URL"]
KEY = os.environ["ANYRAY_KEY"]

CLASSIC = {"azure_endpoint": URL, "api_version": "2024-10-21"}

# Of each form the plain class, the asynchronous one, and what both are made with.
FORMS = {
    "deployments": (AzureOpenAI, AsyncAzureOpenAI, {**CLASSIC, "api_key": KEY}),
    "deployments-token": (AzureOpenAI, AsyncAzureOpenAI, {**CLASSIC, "azure_ad_token": KEY}),
    # Azure's own client spells no path of v1 right, so its users take the plain one.
    "v1": (OpenAI, AsyncOpenAI, {"base_url": f"{URL}/openai/v1/", "api_key": KEY}),
    "v1-preview": (
        OpenAI,
        AsyncOpenAI,
        {
            "base_url": f"{URL}/openai/v1/",
            "api_key": KEY,
            "default_headers": {"api-key": KEY},
            "default_query": {"api-version": "preview"},
        },
    ),
}
PLAIN, ASYNCHRONOUS, SETTINGS = FORMS[NAME]


def connect():
    """A client that does not try again."""
    return PLAIN(max_retries=0, **SETTINGS)


def connect_asynchronously():
    """The same client for `async` code."""
    return ASYNCHRONOUS(max_retries=0, **SETTINGS)
