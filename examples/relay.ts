// What `proxy.ts` does once both handshakes are done: it forwards what either end
// says, whatever the opcodes and reserved bits may mean, and shows each frame.

import { concat } from "@std/bytes";
import {
  type Connection,
  type FailEvent,
  formatFrame,
  type ReceivedEvent,
} from "@noio/ws";
import type { ByteStream } from "@noio/ws/handshake";
import { Output } from "./output.ts";
import { closeTransport, type Transport, transportOf } from "./transport.ts";

// deno-fmt-ignore
const opcodes = {
  data3: 3, data4: 4, data5: 5, data6: 6, data7: 7,
  control11: 11, control12: 12, control13: 13, control14: 14, control15: 15,
} as const;

/** The connection of either end: all free opcodes and all reserved bits may pass. */
export const CONNECTION = {
  opcodes,
  reserved: [1, 1, 1],
  delivery: "frame",
  maxMessageBytes: Infinity,
  maxFrameBytes: 67_108_864, // a frame is held until it is whole
} as const;

type Reserved = typeof CONNECTION.reserved;
type Ws = Connection<typeof opcodes, Reserved>;
type Frame = Exclude<ReceivedEvent<typeof opcodes, Reserved>, FailEvent>;

/** How long an end may take to close, when the other one is closed. */
const PATIENCE = 5000;

const OPCODES: Readonly<Record<string, number>> = {
  ...opcodes,
  ...{ continue: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 },
};

const GONE = {
  type: "close",
  statusCode: 1001,
  message: "The peer has gone",
} as const;
const LEAVING = { ...GONE, message: "The proxy goes away" };

/** One of the two ends: towards the client, or towards the server. */
export class End {
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
function format({ type, message, fin, reserved, statusCode }: Frame): string {
  let payload = typeof message === "string" ? encoder.encode(message) : message;
  if (statusCode !== undefined) {
    payload = concat([Uint8Array.of(statusCode >> 8, statusCode), payload]);
  }
  return formatFrame({ opcode: OPCODES[type], fin, reserved, payload }, {
    opcodes,
  });
}

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
      // A received event can be sent as it is. Who does not read stops the sender;
      // that one has vanished shows where it is read from.
      await to.output.write(to.ws.send(data)).catch(() => {});
    }
    if (from.ws.summary !== undefined) break;
    from.ws.recv(await from.transport.read());
  }
  await from.output.flushed();
  await closeTransport(from.transport, from.ws);
}

/**
 * Forwards both ways, until both ends are closed.
 *
 * @param client The end towards the client
 * @param server The end towards the server
 * @param print Takes a line for each frame
 * @param leaving Closes both with 1001
 */
export async function relay(
  client: End,
  server: End,
  print: (line: string) => void,
  leaving: AbortSignal,
): Promise<void> {
  const ends = [client, server];
  const timers: ReturnType<typeof setTimeout>[] = [];
  const close = ({ transport }: End) =>
    timers.push(setTimeout(() => transport.close(), PATIENCE));
  const leave = () =>
    ends.forEach((end) => {
      const { ws, output } = end;
      if (ws.state === "open") output.push(ws.send(LEAVING));
      close(end);
    });
  leaving.addEventListener("abort", leave);
  if (leaving.aborted) leave();
  try {
    // Where one end is closed, the other is not waited for without end.
    await Promise.all([
      forward(client, server, (what) => print(`client -> server ${what}`))
        .then(() => close(server)),
      forward(server, client, (what) => print(`server -> client ${what}`))
        .then(() => close(client)),
    ]);
  } finally {
    leaving.removeEventListener("abort", leave);
    timers.forEach((timer) => clearTimeout(timer));
    ends.forEach(({ transport }) => transport.close());
  }
}
