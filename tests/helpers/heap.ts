// How much memory connections hold: a program of its own, as only a forced
// collection makes the numbers exact. Prints them as JSON.
//
// deno run --v8-flags=--expose-gc tests/helpers/heap.ts

import { Connection } from "../../src/connection/connection.ts";
import type { Delivery } from "../../src/connection/options.ts";
import { encodeFrame, type FrameInit } from "../../src/framing/frame.ts";
import { concat, hex, utf8 } from "./bytes.ts";
import { held as heldBy, least } from "./measure.ts";

/** How many bytes some work holds, when what is made once for all is there. */
function held(work: () => unknown): number {
  work();
  return least(2, () => heldBy(work));
}

/** A connection that was fed frames, `count` of one kind behind a first one. */
function fed(
  delivery: Delivery,
  first: FrameInit,
  frame: FrameInit,
  count: number,
): Connection {
  const ws = new Connection("client", { delivery });
  const batch = 1000;
  const frames = concat(...new Array(batch).fill(encodeFrame(frame)));
  const buffer = new Uint8Array(frames.length);
  ws.recv(encodeFrame(first));
  for (let sent = 0; sent < count; sent += batch) {
    buffer.set(frames);
    ws.recv(buffer);
    for (const event of ws.events()) {
      if (event.type === "fail") throw new Error(event.message);
    }
  }
  return ws;
}

const results: Record<string, number> = {};

const BYTE = Uint8Array.of(0x61);
for (const type of ["text", "binary"] as const) {
  const first = { opcode: type === "text" ? 1 : 2, fin: false };
  for (const delivery of ["message", "frame", "chunk"] as const) {
    for (const length of [0, 1]) {
      for (const count of [125_000, 1_000_000]) {
        const payload = BYTE.subarray(0, length);
        const more = { opcode: 0, fin: false, payload };
        results[`${count} ${type} continuations of ${length} by ${delivery}`] =
          held(() => fed(delivery, first, more, count));
      }
    }
  }
}

for (const delivery of ["message", "frame", "chunk"] as const) {
  results[`a frame of 1 MiB in 1-byte chunks by ${delivery}`] = held(() => {
    const ws = new Connection("client", { delivery });
    ws.recv(hex("82 7f 00 00 00 00 00 10 00 01"));
    const byte = Uint8Array.of(1);
    for (let i = 0; i < 1_048_576; i++) {
      ws.recv(byte);
      ws.nextEvent();
      if (delivery === "chunk") ws.nextEvent();
    }
    return ws;
  });
}

results["1000 frames that announce 2^50 bytes and bring 4"] = held(() =>
  Array.from({ length: 1000 }, () => {
    const ws = new Connection("client", { maxMessageBytes: Infinity });
    ws.recv(hex("82 7f 00 04 00 00 00 00 00 00 01 02 03 04"));
    ws.nextEvent();
    return ws;
  })
);

results["1000 frames that announce 2^62 bytes and bring 4"] = held(() =>
  Array.from({ length: 1000 }, () => {
    const ws = new Connection("client", { maxMessageBytes: Infinity });
    ws.recv(hex("82 7f 40 00 00 00 00 00 00 00 01 02 03 04"));
    ws.nextEvent();
    return ws;
  })
);

for (const type of ["text", "binary"] as const) {
  results[`a quarter of a frame of 1 GiB of ${type} by chunk`] = held(() => {
    const ws = new Connection("client", {
      delivery: "chunk",
      maxMessageBytes: Infinity,
    });
    ws.recv(hex(`${type === "text" ? "81" : "82"} 7f 00 00 00 00 40 00 00 00`));
    const buffer = new Uint8Array(1_048_576).fill(0x61);
    for (let i = 0; i < 256; i++) {
      ws.recv(buffer);
      for (const event of ws.events()) {
        if (event.type === "fail") throw new Error(event.message);
      }
    }
    return ws;
  });
}

// A close and a failure, and what is behind them.
for (const [end, first] of [["close", "88 00"], ["failure", "83 00"]]) {
  for (const when of ["together with it", "after it"]) {
    results[`100 connections that got 1 MiB behind a ${end}, ${when}`] = held(
      () =>
        Array.from({ length: 100 }, () => {
          const ws = new Connection("client");
          const rest = new Uint8Array(1_048_576);
          if (when === "after it") {
            ws.recv(hex(first));
            ws.nextEvent();
            ws.recv(rest);
          } else {
            ws.recv(concat(hex(first), rest));
            ws.nextEvent();
          }
          return ws;
        }),
    );
  }
}

await Deno.stdout.write(utf8(JSON.stringify(results)));
