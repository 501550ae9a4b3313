"""Makes the chat model of LangChain that ANYRAY_CLIENT names, with nothing but the gateway's key.

What it is asked and must answer is in the scripts `langchain_*.py`: LangChain
gives every provider one face, and each speaks its own wire format. Each is
imported where it is made: all together take seconds to load.
"""

import os

NAME = os.environ["ANYRAY_CLIENT"]
URL = os.environ["ANYRAY_URL"]
KEY = os.environ["ANYRAY_KEY"]

BESIDE = {"x-anyray-metadata": '{"team":"blue"}', "cookie": "session=1"}


def connect(model=None):
    """A chat model that does not try again; without a name, one that answers."""
    make, answering = CLIENTS[NAME]
    return make(model or answering)


def make_openai(model, **more):
    from langchain_openai import ChatOpenAI

    return ChatOpenAI(
        model=model,
        api_key=KEY,
        base_url=f"{URL}/v1",
        max_retries=0,
        default_headers=BESIDE,
        **more,
    )


def make_openai_responses(model):
    return make_openai(model, use_responses_api=True)


def make_anthropic(model):
    from langchain_anthropic import ChatAnthropic

    return ChatAnthropic(
        model=model, api_key=KEY, base_url=URL, max_retries=0, default_headers=BESIDE
    )


def make_azure(model):
    from langchain_openai import AzureChatOpenAI

    return AzureChatOpenAI(
        azure_deployment=model,
        azure_endpoint=URL,
        api_key=KEY,
        api_version="2024-10-21",
        max_retries=0,
        default_headers=BESIDE,
    )


def make_bedrock(model):
    from boto3_client import add_headers
    from botocore.config import Config
    from langchain_aws import ChatBedrockConverse

    bedrock = ChatBedrockConverse(
        model=model if "anthropic." in model else f"anthropic.{model}",
        region_name="eu-central-1",
        endpoint_url=URL,
        aws_access_key_id=KEY,
        aws_secret_access_key="of no use to anybody",
        config=Config(retries={"total_max_attempts": 1}),
        # It streams of itself only with models whose names it knows.
        disable_streaming=False,
    )
    bedrock.client.meta.events.register(
        "before-send.bedrock-runtime.*", add_headers(in_signature=True)
    )
    return bedrock


def make_vertex(model):
    from google.oauth2.credentials import Credentials
    from langchain_google_genai import ChatGoogleGenerativeAI

    return ChatGoogleGenerativeAI(
        model=model,
        vertexai=True,
        project="a-project",
        location="europe-west1",
        credentials=Credentials(KEY),
        base_url=URL,
        max_retries=1,
        additional_headers=BESIDE,
    )


# Of each client what makes its model by name, and the name of one that answers.
CLIENTS = {
    "openai": (make_openai, "gpt-5.6"),
    "openai-responses": (make_openai_responses, "gpt-5.6"),
    "anthropic": (make_anthropic, "claude-opus-4-7"),
    "azure": (make_azure, "our-gpt-5.6"),
    "bedrock": (make_bedrock, "us.anthropic.claude-opus-4-7"),
    "vertex": (make_vertex, "gemini-3-pro"),
}


def find_status(error):
    """The status in an error of the client, where each SDK keeps it."""
    if NAME == "bedrock":
        return error.response["ResponseMetadata"]["HTTPStatusCode"]
    if NAME == "vertex":
        return error.__cause__.code
    return error.status_code
