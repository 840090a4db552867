// The official SDK, as its users call it: openai.cjs CASE. Says what happened as one JSON object a line.
'use strict';

const { Readable } = require('node:stream');
const openai = require('openai');

// Global from Node 20 on; the SDK names this way out for Node 18.
globalThis.File ??= require('node:buffer').File;

const say = (object) => process.stdout.write(JSON.stringify(object) + '\n');
const messages = [{ role: 'user', content: 'Who goes there?' }];
const connect = (options) =>
  new openai.OpenAI({ baseURL: process.env.BASE_URL, apiKey: process.env.API_KEY, maxRetries: 0, ...options });

const cases = {
  async models() {
    const ids = [];
    for await (const model of connect().models.list()) ids.push(model.id);
    say({ ids });
  },

  async chat() {
    const answer = await connect().chat.completions.create({ model: 'tiny', messages });
    say({ text: answer.choices[0].message.content, request_id: answer._request_id });
  },

  async stream() {
    const stream = await connect().chat.completions.create({ model: 'tiny', messages, stream: true });
    for await (const chunk of stream) say({ piece: chunk.choices[0].delta.content });
    say({ end: true });
  },

  async abort() {
    const stream = await connect().chat.completions.create({ model: 'tiny', messages, stream: true });
    for await (const chunk of stream) {
      say({ piece: chunk.choices[0].delta.content });
      stream.controller.abort();
      say({ aborted: true });
    }
  },

  async embeddings() {
    const answer = await connect().embeddings.create({ model: 'tiny', input: ['a', 'b'] });
    say({ vectors: answer.data.map((row) => row.embedding) });
  },

  async upload() {
    const bytes = Buffer.alloc(3 * 1024 * 1024, 'postern');
    const file = await openai.toFile(bytes, 'notes.txt', { type: 'text/plain' });
    say(await connect().files.create({ file, purpose: 'assistants' }));
  },

  // Chunked: the length is nowhere known beforehand.
  async upload_streaming() {
    const pieces = Array.from({ length: 64 }, (_, i) => Buffer.alloc(64 * 1024, String(i % 10)));
    const file = openai.toStreamingFile(Readable.from(pieces), 'stream.txt', { type: 'text/plain' });
    say(await connect().files.create({ file, purpose: 'assistants' }));
  },

  // One call after the other, with the retries that the SDK makes by itself.
  async hurry() {
    const client = connect({ maxRetries: 2 });
    for (let i = 0; i < 2; i++) {
      const began = Date.now();
      await client.embeddings.create({ model: 'tiny', input: 'a' });
      say({ ms: Date.now() - began });
    }
  },
};

cases[process.argv[2]]().catch((error) => {
  say({
    error: error.constructor.name,
    is_api_error: error instanceof openai.APIError,
    status: error.status,
    code: error.code,
    type: error.type,
    message: error.message,
    request_id: error.requestID,
  });
});
