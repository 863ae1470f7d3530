// deno run --allow-net examples/echo_client.ts [ws://127.0.0.1:8080/] [message ...]
//
// Sends messages, prints what comes back, and closes: with streams on both ends.

import { requestUpgrade } from "@noio/ws/handshake";
import { openStream } from "./websocket_stream.ts";

const [url = "ws://127.0.0.1:8080/", ...words] = Deno.args;
const messages = words.length > 0 ? words : ["hello", "world"];

const { hostname, port } = new URL(url);
const conn = await Deno.connect({ hostname, port: Number(port) || 80 });
const upgrade = await requestUpgrade(conn, url, {
  signal: AbortSignal.timeout(10_000),
});
if (!upgrade.accepted) {
  console.error(`Refused: ${upgrade.response.status}`);
  conn.close();
  Deno.exit(1);
}

const stream = openStream(conn, upgrade.connection);
const sending = ReadableStream.from(messages)
  .pipeTo(stream.writable, { preventClose: true });

let answers = 0;
for await (const message of stream.readable) {
  console.log(message);
  if (++answers === messages.length) stream.close();
}
await sending;
const { clean, received } = await stream.closed;
console.log(clean ? `closed with ${received?.statusCode}` : "not clean");
