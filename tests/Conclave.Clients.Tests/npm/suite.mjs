// Usage: node suite.mjs URL KEY. The npm client against a server: one JSON line for each case, {"name", "ok", "error"}.
import assert from "node:assert/strict";
import { setTimeout } from "node:timers/promises";
import OpenAI from "openai";

const [baseURL, apiKey] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
const model = "fable";
const messages = [{ role: "system", content: "You tell tales." }, { role: "user", content: "Tell me a story about a fox." }];
const schema = {
  type: "object",
  properties: { city: { type: "string", pattern: "^[A-Z][a-z]{0,11}$" }, unit: { enum: ["c", "f"] } },
  required: ["city", "unit"],
  additionalProperties: false,
};
const tools = [{ type: "function", function: { name: "get_weather", parameters: schema, strict: true } }];

function checkWeather(text) {
  const value = JSON.parse(text);
  assert.deepEqual(Object.keys(value), ["city", "unit"]);
  assert.match(value.city, /^[A-Z][a-z]{0,11}$/);
  assert.ok(["c", "f"].includes(value.unit));
}

// How many answers have ended for a reason.
async function ended(reason) {
  const metrics = await (await fetch(new URL("/metrics", baseURL))).text();
  return Number(metrics.match(new RegExp(`^conclave_request_success_total\\{[^}]*finished_reason="${reason}"[^}]*\\} (\\d+)`, "m"))[1]);
}

const cases = {
  async "chat and streaming give the same"() {
    const request = { model, messages, seed: 7, temperature: 0.8, max_tokens: 160 };
    const whole = await client.chat.completions.create(request);
    const message = whole.choices[0].message;
    assert.ok(message.reasoning_content.length > 5 && message.content.length > 50);
    let content = "";
    let reasoning = "";
    let usage = null;
    let finish = null;
    for await (const chunk of await client.chat.completions.create({ ...request, stream: true, stream_options: { include_usage: true } })) {
      content += chunk.choices[0]?.delta.content ?? "";
      reasoning += chunk.choices[0]?.delta.reasoning_content ?? "";
      finish = chunk.choices[0]?.finish_reason ?? finish;
      usage = chunk.usage ?? usage;
    }
    assert.equal(content, message.content);
    assert.equal(reasoning, message.reasoning_content);
    assert.equal(finish, whole.choices[0].finish_reason);
    assert.equal(usage.completion_tokens, whole.usage.completion_tokens);
  },
  async "several answers"() {
    const answer = await client.chat.completions.create({ model, messages, n: 3, seed: 1, max_tokens: 20 });
    assert.deepEqual(answer.choices.map((choice) => choice.index), [0, 1, 2]);
    assert.equal(new Set(answer.choices.map((choice) => JSON.stringify(choice.message))).size, 3);
  },
  async "forced tool"() {
    const request = { model, messages, tools, tool_choice: "required", parallel_tool_calls: false, seed: 1, max_tokens: 400 };
    const answer = await client.chat.completions.create(request);
    assert.equal(answer.choices[0].finish_reason, "tool_calls");
    const [call, ...others] = answer.choices[0].message.tool_calls;
    assert.equal(others.length, 0);
    assert.equal(call.function.name, "get_weather");
    checkWeather(call.function.arguments);
    const stream = client.chat.completions.stream(request);
    const streamed = (await stream.finalChatCompletion()).choices[0].message.tool_calls[0];
    assert.equal(streamed.function.arguments, call.function.arguments);
  },
  async "json schema"() {
    const answer = await client.chat.completions.create({
      model, messages, seed: 2, max_tokens: 700, response_format: { type: "json_schema", json_schema: { name: "weather", schema, strict: true } },
    });
    assert.equal(answer.choices[0].finish_reason, "stop");
    checkWeather(answer.choices[0].message.content);
  },
  async "logprobs"() {
    const answer = await client.chat.completions.create({ model, messages, max_tokens: 10, logprobs: true, top_logprobs: 2, temperature: 0 });
    assert.equal(answer.choices[0].logprobs.content.length, answer.usage.completion_tokens);
    for (const token of answer.choices[0].logprobs.content) {
      assert.equal(token.top_logprobs.length, 2);
      assert.equal(token.top_logprobs[0].token, token.token);
    }
    const ended = await client.chat.completions.create({ model, messages, logprobs: true, logit_bias: { 1: 100 } });
    assert.equal(ended.choices[0].logprobs.content.length, ended.usage.completion_tokens);
    assert.equal(ended.choices[0].logprobs.content.at(-1).token, "<｜end▁of▁sentence｜>");
  },
  async "text completion, stop and echo"() {
    const request = { model, prompt: "Once upon a time", max_tokens: 60, seed: 1, echo: true };
    const { text } = (await client.completions.create(request)).choices[0];
    assert.ok(text.startsWith("Once upon a time") && text.includes("."));
    const stopped = (await client.completions.create({ ...request, stop: ["no such text", "."] })).choices[0];
    assert.equal(stopped.text, text.slice(0, text.indexOf(".")));
    assert.equal(stopped.finish_reason, "stop");
  },
  async "errors are the client's own"() {
    const wrong = new OpenAI({ baseURL, apiKey: "wrong", maxRetries: 0 });
    await assert.rejects(wrong.models.list(), OpenAI.AuthenticationError);
    await assert.rejects(client.chat.completions.create({ model: "gpt-5", messages }), OpenAI.NotFoundError);
    await assert.rejects(client.chat.completions.create({ model, messages, max_tokens: 100000 }), (error) =>
      error instanceof OpenAI.BadRequestError && error.code === "context_length_exceeded" && error.param === "max_tokens");
    await assert.rejects(client.responses.create({ model, input: "x" }), OpenAI.NotFoundError);
    await assert.rejects(client.embeddings.create({ model, input: "x" }), OpenAI.NotFoundError);
  },
  async "cancel"() {
    // So many at a time that they take much longer than it takes to leave.
    const n = 32;
    const aborted = await ended("abort");
    const complete = await ended("length");
    const stream = await client.chat.completions.create({ model, messages, n, max_tokens: 900, ignore_eos: true, stream: true });
    let chunks = 0;
    for await (const _ of stream) {
      chunks++;
      stream.controller.abort();
    }
    assert.ok(chunks < n * 10, `${chunks} chunks came`);
    for (let attempt = 0; (await ended("abort")) < aborted + n; attempt++) {
      assert.ok(attempt < 300, "the answers go on");
      await setTimeout(50);
    }
    assert.equal(await ended("length"), complete);
  },
  async "models"() {
    const models = [];
    for await (const one of client.models.list()) {
      models.push(one.id);
    }
    assert.deepEqual(models, [model]);
    assert.equal((await client.models.retrieve(model)).id, model);
  },
};

for (const [name, run] of Object.entries(cases)) {
  try {
    await run();
    console.log(JSON.stringify({ name, ok: true }));
  } catch (error) {
    console.log(JSON.stringify({ name, ok: false, error: String(error.stack ?? error) }));
  }
}
