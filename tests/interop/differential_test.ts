// The same streams through our connection, through the `Receiver` of `npm:ws` and
// through Python's `wsproto`: the same messages, the same accept or reject, the
// same close code. Where they differ, `differences.ts` says who is right and why.

import { assert, assertEquals } from "@std/assert";
import { Receiver as UntypedReceiver } from "ws";
import { Connection, type Role } from "../../mod.ts";
import { Dice, mutate } from "../properties/dice.ts";
import { anyTraffic, type Setup } from "../properties/traffic.ts";
import { type Difference, WS, WSPROTO } from "./differences.ts";
import { installedVersion, wsprotoProcess } from "./peers/wsproto.ts";

/** Always the same streams: so many for each role. */
const SEED = 6455;
const COUNT = 4000;

/** What a decoder made of a stream. */
export interface Decoded {
  /** Types and payloads: text as it is, all others as hexadecimal digits. */
  readonly events: readonly (readonly [type: string, payload: string])[];
  /** A close, a failure, or `null` where it waits for more. */
  readonly end: readonly (string | number)[] | null;
}

interface Stream {
  readonly role: Role;
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The longest message, `Infinity` for any. */
  readonly limit: number;
}

function streamOf(role: Role, index: number): Stream {
  const dice = new Dice(SEED, 2 * index + (role === "client" ? 0 : 1));
  const limit = dice.once(3) ? 100 : Infinity;
  const setup: Setup = {
    role,
    delivery: "message",
    custom: false,
    reserved: [0, 0, 0],
    maxMessageBytes: limit,
    maxFrameBytes: undefined,
    unmaskedClient: false,
    paddedLength: false,
    extensions: "none",
  };
  const kind = dice.below(10);
  const stream = anyTraffic(dice, setup, kind < 4);
  const { bytes } = kind < 6 ? { bytes: stream } : mutate(dice, stream);
  return { role, bytes, limit };
}

/** How we decode a stream, and which rule it broke. */
function ours(
  { role, bytes }: Stream,
  maxMessageBytes: number,
): Decoded & { readonly rule: string } {
  const ws = new Connection(role, { maxMessageBytes });
  const events: [string, string][] = [];
  ws.recv(bytes.slice());
  for (const event of ws.events()) {
    const { type, message } = event;
    if (type === "fail") {
      return { events, end: ["fail", event.code], rule: event.rule };
    }
    if (type === "close") {
      // 1005 is what the others make of a close without a code.
      const end = ["close", event.statusCode ?? 1005, message];
      return { events, end, rule: "" };
    }
    events.push([
      type,
      typeof message === "string" ? message : message.toHex(),
    ]);
  }
  return { events, end: null, rule: "" };
}

/** What is used of the `Receiver`, which comes without types. */
interface Receiver {
  on(event: "message", on: (data: Uint8Array, binary: boolean) => void): void;
  on(event: "ping" | "pong", on: (data: Uint8Array) => void): void;
  on(event: "conclude", on: (code: number, reason: Uint8Array) => void): void;
  on(event: "error", on: (error: Error) => void): void;
  write(bytes: Uint8Array, done: () => void): void;
  destroy(): void;
}

// The package comes without types; the interface above is what it documents.
const WsReceiver = UntypedReceiver as unknown as new (
  options: Record<string, unknown>,
) => Receiver;

/** How the `Receiver` of `npm:ws` decodes a stream. */
async function byWs({ role, bytes, limit }: Stream): Promise<Decoded> {
  const receiver = new WsReceiver({
    isServer: role === "server",
    maxPayload: limit === Infinity ? Number.MAX_SAFE_INTEGER : limit,
    allowSynchronousEvents: true,
  });
  const events: [string, string][] = [];
  let end: (string | number)[] | null = null;
  const { promise, resolve } = Promise.withResolvers<void>();
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  receiver.on("message", (data, binary) => {
    const bytes = new Uint8Array(data);
    events.push(
      binary ? ["binary", bytes.toHex()] : [
        "text",
        decoder.decode(bytes),
      ],
    );
  });
  for (const type of ["ping", "pong"] as const) {
    receiver.on(type, (data) => {
      events.push([type, new Uint8Array(data).toHex()]);
    });
  }
  receiver.on("conclude", (code, reason) => {
    end = ["close", code, decoder.decode(reason)];
    resolve();
  });
  receiver.on("error", (error) => {
    const [symbol] = Object.getOwnPropertySymbols(error);
    end = ["fail", Number(Reflect.get(error, symbol))];
    resolve();
  });
  receiver.write(new Uint8Array(bytes), resolve);
  await promise;
  receiver.destroy();
  return { events, end };
}

/** How two decoders differ, at the first place where they do; `""` if nowhere. */
function differenceOf(
  our: ReturnType<typeof ours>,
  their: Decoded,
): string {
  const at = our.events.findIndex((event, i) =>
    `${event}` !== `${their.events[i]}`
  );
  const count = at === -1 ? our.events.length : at;
  const here = tell(our, count, our.rule);
  const there = tell(their, count, "");
  const isSame = at === -1 && their.events.length === our.events.length &&
    `${our.end}` === `${their.end}`;
  return isSame ? "" : `${here}; ${there}`;
}

function tell({ events, end }: Decoded, at: number, rule: string): string {
  if (at < events.length) return events[at][0];
  if (end === null) return "waits";
  const [what, code] = end;
  return [what, ...(what === "close" ? [] : [code]), rule].join(" ").trim();
}

/** Asserts that two differ where the table says so, and nowhere else. */
function assertDifferences(
  found: ReadonlyMap<string, readonly string[]>,
  table: readonly Difference[],
): void {
  const known = new Set(
    table.flatMap(({ ours, theirs }) =>
      theirs.map((their) => `${ours}; ${their}`)
    ),
  );
  const news = Array.from(found).filter(([what]) => !known.has(what))
    .map(([what, [first, ...more]]) =>
      `${what} (${1 + more.length}): ${first}`
    );
  assertEquals(news, []);
  const gone = Array.from(known).filter((what) => !found.has(what));
  assertEquals(gone, [], "these differences are no more");
}

function add(found: Map<string, string[]>, what: string, stream: Stream): void {
  if (what === "") return;
  const list = found.get(what) ?? [];
  list.push(`${stream.role} ${stream.bytes.toHex()}`);
  found.set(what, list);
}

Deno.test(`${2 * COUNT} streams come out of npm:ws as they do here, but for what the table says`, async () => {
  const found = new Map<string, string[]>();
  for (const role of ["client", "server"] as const) {
    for (let index = 0; index < COUNT; index++) {
      const stream = streamOf(role, index);
      const our = ours(stream, stream.limit);
      add(found, differenceOf(our, await byWs(stream)), stream);
    }
  }
  assertDifferences(found, WS);
});

const version = installedVersion();

if (version !== undefined) {
  Deno.test(`${2 * COUNT} streams come out of wsproto ${version} as they do here, but for what the table says`, async () => {
    const found = new Map<string, string[]>();
    await using wsproto = wsprotoProcess();
    const streams = (["client", "server"] as const).flatMap((role) =>
      Array.from({ length: COUNT }, (_, index) => streamOf(role, index))
    );
    const answers = wsproto.decode(streams);
    let count = 0;
    for await (const their of answers) {
      const stream = streams[count++];
      // It knows no limits.
      add(found, differenceOf(ours(stream, Infinity), their), stream);
    }
    assertEquals(count, streams.length);
    assertDifferences(found, WSPROTO);
  });
} else {
  Deno.test({
    name: "wsproto: python3-wsproto is not installed",
    ignore: Deno.env.get("CI") !== "true",
    fn() {
      throw new Error("Install python3-wsproto: in CI its tests must run");
    },
  });
}

Deno.test("each row of the table of differences says who is right, and why", () => {
  for (const row of [...WS, ...WSPROTO]) {
    assert(row.because.length > 40, row.because);
    assert(/RFC \d+, section \d/.test(row.because), row.because);
  }
});
