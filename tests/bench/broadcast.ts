// One message to a thousand connections: `deno task bench:broadcast`.
//
// A `PreparedMessage`, made for each broadcast, against sending to each; all in
// memory, interleaved, and of several rounds the best counts. The last line is one
// JSON object of ratios, the time of sending to each over that of preparing once:
// higher is better for preparing.

// deno-lint-ignore-file no-console -- a program that prints what it finds

import { Connection, PreparedMessage, type SendData } from "@noio/ws";
import { ClientHandshake, ServerHandshake } from "@noio/ws/handshake";
import { permessageDeflate } from "@noio/ws/permessage-deflate";

const CONNECTIONS = 1000;
const ROUNDS = 15;
const SIZE = 1024;

/** Servers' connections that compress without context takeover, or do not. */
function connections(compresses: boolean): Connection[] {
  const extensions = compresses
    ? [permessageDeflate({ serverNoContextTakeover: true })]
    : [];
  return Array.from({ length: CONNECTIONS }, () => {
    const { request } = new ClientHandshake("ws://127.0.0.1/", { extensions });
    const outcome = new ServerHandshake({ extensions }).judge(request);
    if (!outcome.accepted) throw new Error("The handshake has failed");
    return new Connection("server", { extensions: outcome.extensions });
  });
}

/** Milliseconds that it takes to make the bytes for all. */
function time(
  everybody: readonly Connection[],
  message: () => SendData | PreparedMessage,
): number {
  const start = performance.now();
  const data = message();
  let bytes = 0;
  for (const ws of everybody) bytes += ws.send(data).length;
  const elapsed = performance.now() - start;
  if (bytes < CONNECTIONS) throw new Error(`${bytes} bytes are too few`);
  return elapsed;
}

const text = "The quick brown fox jumps over the lazy dog. ".repeat(23)
  .slice(0, SIZE);
const messages: readonly SendData[] = [
  { type: "text", message: text },
  { type: "binary", message: new TextEncoder().encode(text) },
];

console.log(
  `${SIZE} bytes to ${CONNECTIONS} connections, in milliseconds, the best of ${ROUNDS} rounds.`,
);
const ratios: Record<string, number> = {};
for (const compresses of [false, true]) {
  const everybody = connections(compresses);
  for (const data of messages) {
    let each = Infinity;
    let prepared = Infinity;
    for (let round = 0; round < ROUNDS; round++) {
      each = Math.min(each, time(everybody, () => data));
      prepared = Math.min(
        prepared,
        time(everybody, () => new PreparedMessage(data)),
      );
    }
    const name = `${data.type}${compresses ? " deflate" : ""}`;
    const ratio = Number((each / prepared).toPrecision(3));
    ratios[name] = ratio;
    console.log(
      `${name.padEnd(16)} each ${each.toFixed(3).padStart(8)}   ` +
        `prepared ${prepared.toFixed(3).padStart(8)}   ${ratio}x`,
    );
  }
}
console.log(JSON.stringify(ratios));
