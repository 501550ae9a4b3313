"""langchain: answers, streams and tools of each provider arrive as LangChain's messages."""

import asyncio

from claims import claim, equal, run
from langchain_client import connect
from langchain_core.messages import HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool

TEXT = "say hi, grüße, 你好"
HELLO = [SystemMessage("be brief"), HumanMessage(TEXT)]

model = connect()


@tool
def get_weather(city: str, days: int) -> str:
    """The weather of a city."""
    return f"sunny in {city} for {days} days"


caller = connect("fake-tools").bind_tools([get_weather])


def join(chunks):
    """The message that the chunks of a stream add up to."""
    first, *more = chunks
    for chunk in more:
        first += chunk
    return first


def check_answer(message):
    equal(message.text, f"echo: {TEXT}")
    assert message.usage_metadata["input_tokens"] > 0, "no usage"
    assert message.usage_metadata["output_tokens"] > 0, "no usage"


def check_call(message):
    [call] = message.tool_calls
    equal(call["name"], "get_weather")
    equal(sorted(call["args"]), ["city", "days"])
    assert call["id"], "call without id"
    return call


@claim
def invoke_answers_with_text_and_usage():
    check_answer(model.invoke(HELLO))


@claim
def stream_gives_pieces_that_add_up():
    chunks = list(model.stream(HELLO))
    assert len(chunks) > 1, "the answer did not come in pieces"
    equal(join(chunks).text, f"echo: {TEXT}")


@claim
def the_asynchronous_calls_work_as_well():
    async def read():
        return await model.ainvoke(HELLO), [chunk async for chunk in model.astream(HELLO)]

    answer, chunks = asyncio.run(read())
    check_answer(answer)
    equal(join(chunks).text, f"echo: {TEXT}")


@claim
def a_tool_is_called_and_its_result_answered():
    question = caller.invoke(HELLO)
    call = check_call(question)
    result = ToolMessage(get_weather.invoke(call["args"]), tool_call_id=call["id"])
    answer = caller.invoke([*HELLO, question, result])
    assert not answer.tool_calls, answer.tool_calls


@claim
def a_streamed_tool_call_assembles():
    check_call(join(list(caller.stream(HELLO))))


if __name__ == "__main__":
    run()
