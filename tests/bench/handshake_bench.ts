// Heads of the opening handshake: to read and to write them, and to judge.

import {
  ClientHandshake,
  encodeHead,
  HeadDecoder,
  ServerHandshake,
} from "@noio/ws/handshake";

// What a browser sends.
const { request } = new ClientHandshake("wss://example.com/chat?room=1", {
  origin: "https://example.com",
  headers: {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101",
    "Accept-Language": "en-GB,en;q=0.7,de;q=0.3",
    "Accept-Encoding": "gzip, deflate, br, zstd",
    "Cache-Control": "no-cache",
    Pragma: "no-cache",
  },
});
const bytes = encodeHead(request);
const server = new ServerHandshake();
const group = "the head of a request";

Deno.bench({
  name: "encode",
  group,
  fn: () => {
    encodeHead(request);
  },
});

Deno.bench({
  name: "decode",
  group,
  baseline: true,
  fn: () => {
    const decoder = new HeadDecoder("request");
    decoder.recv(bytes);
    decoder.next();
  },
});

Deno.bench({
  name: "decode, byte by byte",
  group,
  fn: () => {
    const decoder = new HeadDecoder("request");
    for (let i = 0; i < bytes.length; i++) {
      decoder.recv(bytes.subarray(i, i + 1));
      decoder.next();
    }
  },
});

Deno.bench({
  name: "judge",
  group,
  fn: () => {
    server.judge(request);
  },
});
