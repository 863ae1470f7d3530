// deno run --allow-net examples/proxy.ts ws://127.0.0.1:8080/ [port]
//
// Stands between clients and a server, forwards what either says, and prints each
// frame. It knows nothing of what the opcodes and reserved bits mean, and lets them
// all pass. This is its opening handshake; what comes after it is in `relay.ts`.

import {
  acceptUpgrade,
  ClientHandshake,
  type RequestHead,
  requestUpgrade,
} from "@noio/ws/handshake";
import { connect } from "./connect.ts";
import { PassingDeflate } from "./passing_deflate.ts";
import {
  fail,
  hostOf,
  interruption,
  listen,
  messageOf,
  numberOf,
  parse,
  serve,
  SERVER_HELP,
  SERVER_OPTIONS,
  timeoutOf,
} from "./program.ts";
import { CONNECTION, End, relay } from "./relay.ts";
import { transportOf } from "./transport.ts";

const HELP = `
Forwards WebSockets to a server, and prints each frame that passes: of any opcode,
with any reserved bits, up to 64 MiB. permessage-deflate passes as it is, other
extensions are not offered to the server.

  deno run --allow-net examples/proxy.ts [options] <url> [port]

  <url>                     where all clients get to, of ws: or wss:
  [port]                    where to listen, 0 for any that is free [8081]
${SERVER_HELP}
`;

const { values, positionals } = parse(HELP, SERVER_OPTIONS, 2);
const [target = fail("There is no URL; see --help", 2)] = positionals;
try {
  new ClientHandshake(target); // a mistake throws here
} catch (error) {
  fail(messageOf(error), 2);
}
const port = numberOf("port", positionals[1] ?? "8081");
const timeout = timeoutOf(values);
const leaving = interruption();

const REQUEST_FIELDS = ["Origin", "Cookie", "Authorization", "User-Agent"];
const ANSWER_FIELDS = ["Location", "WWW-Authenticate", "Retry-After"];

/** The fields that are passed on. */
function pick(headers: Headers, names: string[]): [string, string][] {
  return names.map((name): [string, string] => [name, headers.get(name) ?? ""])
    .filter(([, value]) => value !== "");
}

/** Asks the server for what the client has asked us for. */
async function ask(
  { headers }: RequestHead,
  deflate: PassingDeflate,
  signal: AbortSignal,
) {
  const stream = await connect(new URL(target), {}, signal);
  try {
    const upgrade = await requestUpgrade(stream, target, {
      headers: pick(headers, REQUEST_FIELDS),
      subprotocols: (headers.get("Sec-WebSocket-Protocol") ?? "")
        .split(",").map((name) => name.trim()).filter((name) => name !== ""),
      extensions: [deflate],
      connection: CONNECTION,
      signal,
    });
    return { stream, upgrade };
  } catch (error) {
    transportOf(stream).close();
    throw error;
  }
}

let clients = 0;

async function handle(conn: Deno.Conn): Promise<void> {
  const id = ++clients;
  const signal = AbortSignal.any([leaving, AbortSignal.timeout(timeout)]);
  const deflate = new PassingDeflate();
  let asked: Awaited<ReturnType<typeof ask>> | undefined;
  try {
    const upgrade = await acceptUpgrade(conn, {
      connection: CONNECTION,
      signal,
      extensions: [deflate],
      selectSubprotocol: () =>
        asked?.upgrade.accepted ? asked.upgrade.subprotocol : undefined,
      // What the server says to it is what the client gets.
      async onRequest(head) {
        if (!head.headers.has("Upgrade")) return undefined;
        deflate.take(head.headers);
        try {
          asked = await ask(head, deflate, signal);
        } catch (error) {
          return { status: 502, body: `${messageOf(error)}\n` };
        }
        if (asked.upgrade.accepted) return undefined;
        const { status, headers } = asked.upgrade.response;
        return { status, headers: pick(headers, ANSWER_FIELDS) };
      },
    });
    if (!upgrade.accepted || !asked?.upgrade.accepted) return;
    await relay(
      new End(conn, upgrade.connection),
      new End(asked.stream, asked.upgrade.connection),
      (line) => console.log(`${timeNow()} #${id} ${line}`),
      leaving,
    );
  } finally {
    if (asked !== undefined) transportOf(asked.stream).close();
  }
}

const timeNow = () => new Date().toISOString().slice(11, 23);

const listener = listen({ hostname: values.hostname, port });
console.log(`Proxy on ws://${hostOf(listener)}/ for ${target}`);
await serve(listener, handle, leaving);
Deno.exit(0);
