// deno run --allow-net examples/echo_client.ts [ws://127.0.0.1:8080/] [message ...]
//
// Sends messages, prints what comes back, and closes: with streams on both ends.

import { fail, interruption, messageOf, parse } from "./program.ts";
import { WebSocketStream } from "./websocket_stream.ts";

const HELP = `
Sends messages, and prints what comes back: one answer for each.

  deno run --allow-net examples/echo_client.ts [url] [message ...]

  [url]      of ws: or wss: [ws://127.0.0.1:8080/]
  [message]  what to send [hello world]
  --help     this

Exits with 0 if every message was answered and the connection closed in order, with
1 if not, or after Ctrl-C.
`;

const { positionals } = parse(HELP, {}, Infinity);
const [url = "ws://127.0.0.1:8080/", ...words] = positionals;
const messages = words.length > 0 ? words : ["hello", "world"];

try {
  const ws = new WebSocketStream(url);
  interruption().addEventListener("abort", () => ws.close());
  const { readable, writable } = await ws.opened;
  const sending = ReadableStream.from(messages)
    .pipeTo(writable, { preventClose: true });

  let answers = 0;
  for await (const message of readable) {
    console.log(message);
    if (++answers === messages.length) ws.close();
  }
  await sending;
  const { closeCode } = await ws.closed;
  console.log(`closed with ${closeCode}`);
  if (answers < messages.length) {
    fail(`${answers} of ${messages.length} messages were answered`);
  }
} catch (error) {
  fail(messageOf(error));
}
