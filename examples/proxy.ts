// deno run --allow-net examples/proxy.ts ws://127.0.0.1:8080/ [port]
//
// Stands between clients and a server, forwards what either says, and prints each
// frame. It knows nothing of what the opcodes and reserved bits mean, and lets them
// all pass.

import { concat } from "@std/bytes";
import {
  type Connection,
  type FailEvent,
  formatFrame,
  type ReceivedEvent,
} from "@noio/ws";
import {
  acceptUpgrade,
  type ByteStream,
  type RequestHead,
  requestUpgrade,
} from "@noio/ws/handshake";
import { connect } from "./connect.ts";
import { Output } from "./output.ts";
import { PassingDeflate } from "./passing_deflate.ts";
import {
  fail,
  interruption,
  messageOf,
  numberOf,
  parse,
  serve,
  SERVER_HELP,
  SERVER_OPTIONS,
} from "./program.ts";
import { closeTransport, type Transport, transportOf } from "./transport.ts";

const HELP = `
Forwards WebSockets to a server, and prints each frame that passes.

  deno run --allow-net examples/proxy.ts [options] <url> [port]

  <url>                     the server, of ws: or wss:
  [port]                    where to listen, 0 for any that is free [8081]
${SERVER_HELP}
`;

const { values, positionals } = parse(HELP, SERVER_OPTIONS, 2);
const [target = fail("There is no URL; see --help", 2)] = positionals;
if (!URL.canParse(target)) fail(`Cannot use '${target}' as URL`, 2);
const port = numberOf("port", positionals[1] ?? "8081");
const timeout = numberOf(
  "handshake-timeout",
  values["handshake-timeout"],
  3_600_000,
);
const leaving = interruption();

// Whatever a frame may be, it may pass: all free opcodes, all reserved bits.
// deno-fmt-ignore
const opcodes = {
  data3: 3, data4: 4, data5: 5, data6: 6, data7: 7,
  control11: 11, control12: 12, control13: 13, control14: 14, control15: 15,
} as const;
const connection = {
  opcodes,
  reserved: [1, 1, 1],
  delivery: "frame",
  maxMessageBytes: Infinity,
  maxFrameBytes: 67_108_864,
} as const;
type Ws = Connection<typeof opcodes, typeof connection.reserved>;

const OPCODES: Readonly<Record<string, number>> = {
  ...opcodes,
  ...{ continue: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 },
};

/** One of the two connections of a client: its own, or that to the server. */
class End {
  readonly ws: Ws;
  readonly transport: Transport;
  readonly output: Output;

  constructor(stream: ByteStream, ws: Ws) {
    this.ws = ws;
    this.transport = transportOf(stream);
    this.output = new Output(this.transport);
  }
}

const encoder = new TextEncoder();

/** A frame as a line. */
function format(
  { type, message, fin, reserved, statusCode }: Frame,
): string {
  let payload = typeof message === "string" ? encoder.encode(message) : message;
  if (statusCode !== undefined) {
    payload = concat([Uint8Array.of(statusCode >> 8, statusCode), payload]);
  }
  return formatFrame({ opcode: OPCODES[type], fin, reserved, payload }, {
    opcodes,
  });
}
type Frame = Exclude<
  ReceivedEvent<typeof opcodes, typeof connection.reserved>,
  FailEvent
>;

/** Forwards from one end to the other, until nothing more comes. */
async function forward(
  from: End,
  to: End,
  print: (what: string) => void,
): Promise<void> {
  for (;;) {
    for (const event of from.ws.events()) {
      print(event.type === "fail" ? event.message : format(event));
      const data = event.type === "fail" ? GONE : event;
      // Pings are for the other end to answer; a close is answered here as well.
      if (event.type === "close" || event.type === "fail") {
        from.output.push(from.ws.reply(event));
      }
      if (to.ws.state !== "open") continue;
      // A received event can be sent as it is. Who does not read stops the sender.
      await to.output.write(to.ws.send(data));
    }
    if (from.ws.summary !== undefined) break;
    from.ws.recv(await from.transport.read());
  }
  await from.output.flushed();
  await closeTransport(from.transport, from.ws);
}

const GONE = {
  type: "close",
  statusCode: 1001,
  message: "The peer has gone",
} as const;
const LEAVING = { ...GONE, message: "The proxy goes away" };

const REQUEST_FIELDS = ["Origin", "Cookie", "Authorization", "User-Agent"];
const ANSWER_FIELDS = ["Location", "WWW-Authenticate", "Retry-After"];

/** The fields that are passed on. */
function pick(headers: Headers, names: string[]): [string, string][] {
  return names.map((name): [string, string] => [name, headers.get(name) ?? ""])
    .filter(([, value]) => value !== "");
}

/** Asks the server for what the client has asked us for. */
async function ask(
  head: RequestHead,
  deflate: PassingDeflate,
  signal: AbortSignal,
): Promise<
  { stream: Deno.Conn; upgrade: Awaited<ReturnType<typeof request>> }
> {
  const stream = await connect(new URL(target), {}, signal);
  try {
    return { stream, upgrade: await request(stream, head, deflate, signal) };
  } catch (error) {
    transportOf(stream).close();
    throw error;
  }
}

function request(
  stream: Deno.Conn,
  { headers }: RequestHead,
  deflate: PassingDeflate,
  signal: AbortSignal,
) {
  const subprotocols = (headers.get("Sec-WebSocket-Protocol") ?? "")
    .split(",").map((name) => name.trim()).filter((name) => name !== "");
  return requestUpgrade(stream, target, {
    headers: pick(headers, REQUEST_FIELDS),
    subprotocols,
    extensions: [deflate],
    connection,
    signal,
  });
}

let clients = 0;

async function handle(conn: Deno.Conn): Promise<void> {
  const id = ++clients;
  const signal = AbortSignal.any([leaving, AbortSignal.timeout(timeout)]);
  const deflate = new PassingDeflate();
  let asked: Awaited<ReturnType<typeof ask>> | undefined;
  try {
    const upgrade = await acceptUpgrade(conn, {
      connection,
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
      id,
    );
  } finally {
    if (asked !== undefined) transportOf(asked.stream).close();
  }
}

/** Forwards both ways. */
async function relay(client: End, server: End, id: number): Promise<void> {
  const ends = [client, server];
  const timers: ReturnType<typeof setTimeout>[] = [];
  const close = ({ transport }: End) =>
    timers.push(setTimeout(() => transport.close(), 5000));
  const leave = () =>
    ends.forEach((end) => {
      const { ws, output } = end;
      if (ws.state === "open") output.push(ws.send(LEAVING));
      close(end);
    });
  leaving.addEventListener("abort", leave);
  const printer = (arrow: string) => (what: string) => {
    const time = new Date().toISOString().slice(11, 23);
    console.log(`${time} #${id} ${arrow} ${what}`);
  };
  try {
    // Where one end is closed, the other is not waited for without end.
    await Promise.all([
      forward(client, server, printer("client -> server"))
        .then(() => close(server)),
      forward(server, client, printer("server -> client"))
        .then(() => close(client)),
    ]);
  } finally {
    leaving.removeEventListener("abort", leave);
    timers.forEach((timer) => clearTimeout(timer));
    ends.forEach(({ transport }) => transport.close());
  }
}

const listener = Deno.listen({ hostname: values.hostname, port });
const { hostname, port: bound } = listener.addr;
console.log(`Proxy on ws://${hostname}:${bound}/ for ${target}`);
await serve(listener, handle, leaving);
Deno.exit(0);
