// deno-lint-ignore-file no-console -- a program, and what it prints is its result
// What events leave behind whose `onEvent` is asynchronous: a program of its own, as
// only a forced collection makes the numbers exact. Prints bytes, by count of events.
//
// deno run --v8-flags=--expose-gc tests/examples/event_heap.ts

import { WebSocketStream } from "../../examples/websocket_stream.ts";
import { Connection } from "../../mod.ts";

declare const gc: () => void;

const down = new TransformStream<Uint8Array, Uint8Array>();
const writer = down.writable.getWriter();
let seen = 0;
const ws = WebSocketStream.over(
  { readable: down.readable, writable: new WritableStream() },
  { connection: new Connection("client") },
  {
    keepalive: false,
    onEvent: async () => {
      await undefined;
      seen++;
    },
  },
);
await ws.opened;
const peer = new Connection("server");
const pong = { type: "pong", message: "" } as const;
const batch = new Array<typeof pong>(1000).fill(pong);

const heap: Record<number, number> = {};
for (const count of [10_000, 50_000, 90_000]) {
  while (seen < count) {
    await writer.write(peer.send(batch));
    await new Promise((resolve) => setTimeout(resolve));
  }
  gc();
  gc();
  heap[count] = Deno.memoryUsage().heapUsed;
}
console.log(JSON.stringify(heap));
ws.close();
await writer.write(peer.send({ type: "close", statusCode: 1000 }));
await writer.close();
await ws.closed;
