// Says hello by each API, whole and streamed; prints the four answers.
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";

const messages = [{ role: "user", content: "hello" }];

const openai = new OpenAI({ maxRetries: 0 });
const chat = await openai.chat.completions.create({ model: "gpt-5", messages });
console.log(chat.choices[0].message.content);
let text = "";
for await (const chunk of await openai.chat.completions.create({ model: "gpt-5", messages, stream: true })) {
  text += chunk.choices[0]?.delta?.content ?? "";
}
console.log(text);

const anthropic = new Anthropic({ maxRetries: 0 });
const request = { model: "claude-sonnet-4-6", max_tokens: 100, messages };
console.log((await anthropic.messages.create(request)).content[0].text);
console.log(await anthropic.messages.stream(request).finalText());
