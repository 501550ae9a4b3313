"""Says hello by each API, whole and streamed; prints the four answers."""

from anthropic import Anthropic
from openai import OpenAI

hello = [{"role": "user", "content": "hello"}]

openai = OpenAI(max_retries=0)
print(openai.chat.completions.create(model="gpt-5", messages=hello).choices[0].message.content)
chunks = openai.chat.completions.create(model="gpt-5", messages=hello, stream=True)
print("".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices))

anthropic = Anthropic(max_retries=0)
message = anthropic.messages.create(model="claude-sonnet-4-6", max_tokens=100, messages=hello)
print(message.content[0].text)
with anthropic.messages.stream(model="claude-sonnet-4-6", max_tokens=100, messages=hello) as stream:
    print("".join(stream.text_stream))
