"""Makes google-genai's client of Vertex AI, with the gateway's key as its access token."""

import os

from google import genai
from google.genai.types import HttpOptions
from google.oauth2.credentials import Credentials


def connect():
    """A client that does not try again, for a project and a place that are not ours."""
    return genai.Client(
        vertexai=True,
        project="a-project",
        location="europe-west1",
        # Has no end and no refresh token, so the client asks Google for nothing.
        credentials=Credentials(os.environ["ANYRAY_KEY"]),
        http_options=HttpOptions(
            base_url=os.environ["ANYRAY_URL"],
            headers={"x-anyray-metadata": '{"team":"blue"}', "cookie": "session=1"},
        ),
    )
