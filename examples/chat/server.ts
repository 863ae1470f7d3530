// deno run --allow-net examples/chat/server.ts [--port 8080] [--redis redis://127.0.0.1:6379]
//
// A chat: open http://127.0.0.1:8080/ in two windows. The page and the WebSocket
// share a port. With --redis, several servers are one chat.

import { permessageDeflate } from "@noio/ws/permessage-deflate";
import {
  fail,
  hostOf,
  interruption,
  listen,
  messageOf,
  numberOf,
  parse,
  serve,
} from "../program.ts";
import { WebSocketStream } from "../websocket_stream.ts";
import { joinRedis } from "./redis.ts";
import { Room } from "./room.ts";
import { answer, wantedName } from "./site.ts";
import { visit } from "./visitor.ts";

const HELP = `
A chat in the browser: one page, one room.

  deno run --allow-net examples/chat/server.ts [options]

  --port=<number>    where to listen, 0 for any that is free [8080]
  --hostname=<name>  where to listen; 0.0.0.0 is everywhere [127.0.0.1]
  --redis=<url>      share the chat with the other servers that have the same,
                     such as redis://127.0.0.1:6379
  --help             this

A client of your own connects to ws://127.0.0.1:8080/chat?name=Ada, sends what it
says as text, and is sent JSON.
`;

/** How many sockets there may be, those that are shaking hands included. */
const MAX_CLIENTS = 1000;

/** Each message is compressed by itself: so a broadcast is compressed once. */
const EXTENSIONS = [permessageDeflate({ serverNoContextTakeover: true })];

const { values } = parse(HELP, {
  port: { type: "string", default: "8080" },
  hostname: { type: "string", default: "127.0.0.1" },
  redis: { type: "string" },
}, 0);
const { hostname } = values;
const port = numberOf("port", values.port);
if (values.redis !== undefined && !URL.canParse(values.redis)) {
  fail(`Cannot use '${values.redis}' as redis`, 2);
}
const leaving = interruption();
const room = new Room();
let clients = 0;

/** Answers a client with the page, or lets it into the room. */
async function handle(conn: Deno.Conn): Promise<void> {
  if (clients >= MAX_CLIENTS) return conn.close();
  const abort = new AbortController();
  const ws = WebSocketStream.accept(conn, {
    onRequest: answer,
    extensions: EXTENSIONS,
    connection: { maxMessageBytes: 8192 },
    closeTimeout: 2000,
    signal: abort.signal,
  });
  const leave = () =>
    ws.close({ closeCode: 1001, reason: "The server goes away" });
  leaving.addEventListener("abort", leave);
  clients++;
  // What goes wrong with a client is no concern of the others: no client can end
  // the server.
  try {
    const { request } = await ws.opened;
    const name = request && wantedName(request);
    if (name !== undefined) {
      const drop = () => abort.abort(new Error("The client does not read"));
      await visit(ws, name, room, drop);
    }
    await ws.closed;
  } catch {
    // It wanted the page, or has vanished, or has broken a rule and was told so.
  } finally {
    clients--;
    leaving.removeEventListener("abort", leave);
  }
}

try {
  const redis = values.redis === undefined
    ? undefined
    : await joinRedis(values.redis, room);
  const listener = listen({ hostname, port });
  console.log(`Chatting on http://${hostOf(listener)}/ (Ctrl-C ends it)`);
  await serve(listener, handle, leaving);
  await redis?.close();
} catch (error) {
  fail(messageOf(error));
}
