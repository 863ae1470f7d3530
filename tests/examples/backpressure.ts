// deno-lint-ignore-file no-console -- a program, and what it prints is its result
// A sender that is always ready and a reader that is slow, 500 MB: a program of its
// own, as it measures the memory of the process. Prints what it saw as JSON.
//
// deno run --allow-net=127.0.0.1 tests/examples/backpressure.ts

import { WebSocketStream } from "../../examples/websocket_stream.ts";

const TOTAL = 500_000_000;
const MESSAGE = 50_000;
const WARM_UP = 50_000_000;

const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
const accepting = listener.accept();
const client = new WebSocketStream(`ws://127.0.0.1:${listener.addr.port}/`, {
  extensions: [],
});
const server = WebSocketStream.accept(await accepting);
listener.close();

let sent = 0;
let received = 0;
let mostAhead = 0;

async function send(): Promise<void> {
  const { writable } = await server.opened;
  const writer = writable.getWriter();
  const message = new Uint8Array(MESSAGE).fill(7);
  while (sent < TOTAL) {
    await writer.write(message);
    sent += MESSAGE;
    mostAhead = Math.max(mostAhead, sent - received);
  }
  await writer.close();
}

/** Waits until the sender has come to a stop. */
async function stopped(): Promise<void> {
  for (let before = -1; before !== sent;) {
    before = sent;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const sending = send();
const { readable } = await client.opened;
const memory: number[] = [];
let stops = 0;
for await (const message of readable) {
  received += message.length;
  if (received % 1_000_000 === 0) {
    await new Promise((resolve) => setTimeout(resolve));
    if (received > WARM_UP) memory.push(Deno.memoryUsage().rss);
  }
  if (received % 100_000_000 === 0 && received < TOTAL) {
    await stopped();
    stops++;
  }
}
await sending;
const { closeCode } = await client.closed;
await server.closed;
console.log(JSON.stringify({
  received,
  closeCode,
  stops,
  mostAhead,
  least: Math.min(...memory),
  most: Math.max(...memory),
}));
