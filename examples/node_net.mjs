// npx jsr add @noio/ws && node node_net.mjs [ws://127.0.0.1:8080/] [message ...]
//
// A client in Node (20 or later), over a socket of node:net or node:tls: sends the
// messages, prints what comes back, and closes. The first command puts the package
// into node_modules; Bun runs this file too.

import { connect as connectTcp, isIP } from "node:net";
import { connect as connectTls } from "node:tls";
import process from "node:process";
import { Duplex } from "node:stream";
import { parseArgs } from "node:util";
import { Information } from "@noio/ws";
import { requestUpgrade } from "@noio/ws/handshake";
import { permessageDeflate } from "@noio/ws/permessage-deflate";

const HELP = `
Sends messages to a WebSocket server, and prints what comes back.

  node node_net.mjs [url] [message ...]

  [url]      of ws: or wss: [ws://127.0.0.1:8080/]
  [message]  what to send [hello world]
  --help     this

Exits with 0 if every message was answered and the connection closed in order, with
1 if not, 2 for wrong arguments. Ctrl-C closes in order.
`;

/** What the arguments say; `undefined` if there is nothing to do. */
function parse(args) {
  try {
    const help = { type: "boolean", short: "h" };
    const options = { options: { help }, allowPositionals: true };
    const { values, positionals } = parseArgs({ args, ...options });
    if (values.help) return void console.log(HELP.trim());
    const [url = "ws://127.0.0.1:8080/", ...messages] = positionals;
    if (messages.length === 0) messages.push("hello", "world");
    return { url: new URL(url), messages };
  } catch (error) {
    const [mistake] = error.message.split(/\.\s/);
    console.error(`${mistake}; see --help`);
    process.exitCode = 2;
  }
}

/** Connects a socket to where a URL points. */
function connect({ protocol, hostname, port }) {
  const host = hostname.replace(/^\[(.*)\]$/, "$1"); // of an IPv6 address
  if (protocol !== "wss:") return connectTcp({ host, port: port || 80 });
  const servername = isIP(host) ? "" : host; // no address is sent as a name
  return connectTls({ host, port: port || 443, servername });
}

/** Gives the messages that arrive, and answers what has to be answered. */
async function* receive(ws, reader, write) {
  for (;;) {
    const event = ws.nextEvent();
    if (event === Information.CONNECTION_CLOSED) return;
    if (event === Information.NEED_DATA) {
      // A stream that fails has ended, too: `summary` tells what was missing.
      const { value } = await reader.read().catch(() => ({}));
      ws.recv(value ?? null);
      continue;
    }
    await write(ws.reply(event)); // of a ping, a close, a failure
    if (event.type === "text" || event.type === "binary") yield event;
  }
}

async function main({ url, messages }) {
  const socket = connect(url);
  socket.setNoDelay(true);
  // A socket as a pair of streams: all that the handshake asks for.
  const stream = Duplex.toWeb(socket);
  try {
    const upgrade = await requestUpgrade(stream, url, {
      extensions: [permessageDeflate()],
      signal: AbortSignal.timeout(10_000),
    });
    if (!upgrade.accepted) {
      throw new Error(`Refused with ${upgrade.response.status}`);
    }
    const { connection: ws, extensions } = upgrade;
    const names = extensions.map(({ name }) => name).join() || "nothing";
    console.log(`connected to ${url.href}, with ${names}`);

    const reader = stream.readable.getReader();
    const writer = stream.writable.getWriter();
    // `send` and `reply` share memory between calls, and a stream may keep what it
    // is given: so it gets a copy.
    const write = (bytes) =>
      bytes.length > 0 ? writer.write(bytes.slice()) : undefined;
    const close = (statusCode) => {
      if (ws.state === "open") write(ws.send({ type: "close", statusCode }));
    };
    process.once("SIGINT", () => close(1001));

    await write(
      ws.send(messages.map((message) => ({ type: "text", message }))),
    );
    let answers = 0;
    for await (const { message } of receive(ws, reader, write)) {
      console.log(message);
      if (++answers === messages.length) close(1000);
    }

    const { clean, received, failure } = ws.summary;
    if (!clean) throw new Error(failure?.message ?? "Our close has no answer");
    console.log(`closed with ${received.statusCode}`);
    if (answers < messages.length) process.exitCode = 1;
    // The server closes the socket first (RFC 6455, section 7.1.1), if it does.
    const timer = setTimeout(() => socket.destroy(), 5000);
    while (!(await reader.read()).done);
    clearTimeout(timer);
  } finally {
    socket.destroy();
  }
}

try {
  const task = parse(process.argv.slice(2));
  if (task !== undefined) await main(task);
} catch (error) {
  console.error(error.cause?.message ?? error.message);
  process.exitCode = 1;
}
