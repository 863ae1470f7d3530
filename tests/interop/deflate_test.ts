// permessage-deflate against other implementations: all that goes without it,
// again; then each combination of its parameters, with mixed messages; then the
// offer of Chromium as it stands.

import { assert, assertEquals } from "@std/assert";
import type { SendData } from "../../mod.ts";
import {
  permessageDeflate,
  type PermessageDeflateOptions,
  portableCodec,
  type WindowBits,
} from "../../src/extensions/permessage_deflate.ts";
import { zlibCodec } from "../../src/extensions/zlib_codec.ts";
import { hex, toHex, utf8 } from "../helpers/bytes.ts";
import { random } from "../helpers/cuts.ts";
import { testInterop } from "./cases.ts";
import {
  accept,
  assertSame,
  connect,
  interopTest,
  listen,
  type Scope,
} from "./helpers.ts";
import type { Peer } from "./peer.ts";
import { npmWs } from "./peers/npm_ws.ts";
import {
  installedVersion,
  pythonWebsockets,
} from "./peers/python_websockets.ts";
import {
  assertGets,
  closeOurs,
  type Ends,
  nextMessage,
  openedOf,
  type Variant,
} from "./stage.ts";

const NAME = "permessage-deflate";

/** The parameters that one side asks for. */
interface Parameters {
  readonly serverNoContextTakeover?: boolean | undefined;
  readonly clientNoContextTakeover?: boolean | undefined;
  readonly serverMaxWindowBits?: WindowBits | undefined;
  readonly clientMaxWindowBits?: WindowBits | undefined;
}

/** A peer, and how it is told the parameters. */
interface Deflating {
  readonly peer: Peer;
  readonly own: (
    side: "client" | "server",
    parameters: Parameters,
  ) => Readonly<Record<string, unknown>>;
}

const WS: Deflating = {
  peer: npmWs,
  own: (_, parameters) => ({
    perMessageDeflate: { threshold: 0, ...parameters },
  }),
};

const PYTHON: Deflating = {
  peer: pythonWebsockets,
  own: (side, parameters) => {
    const bits = parameters.clientMaxWindowBits;
    return {
      deflate: {
        server_no_context_takeover: parameters.serverNoContextTakeover ?? false,
        client_no_context_takeover: parameters.clientNoContextTakeover ?? false,
        server_max_window_bits: parameters.serverMaxWindowBits ?? null,
        // Its client offers the parameter without a value for `true`.
        client_max_window_bits: bits ?? (side === "client" ? true : null),
      },
    };
  },
};

/** All that goes without it, with it. */
function variantOf({ own }: Deflating): Variant {
  const options = { extensions: [permessageDeflate({ threshold: 0 })] };
  return {
    name: NAME,
    client: options,
    server: options,
    peerClient: own("client", {}),
    peerServer: own("server", {}),
    extensions: [NAME],
  };
}

// The messages: text and bytes, from nothing up to 100 KB, most of them short,
// some that repeat and some that do not, two in five fragmented.

const COUNT = 200;
const MOST = 100_000;

type Message = readonly (string | Uint8Array<ArrayBuffer>)[];

function messages(): Message[] {
  const next = random(7692);
  const upTo = (most: number) => Math.floor(next() * (most + 1));
  const lengths = [0, 0, 1, 1, 63, 64, 125, 126, 30_000, 65_536, MOST];
  const words = ["true", "null", "😀", "straße", "0.125", '{"id":', "[]", "\n"];
  return Array.from({ length: COUNT }, (_, i) => {
    const length = lengths[i] ?? Math.floor(MOST * next() ** 60);
    const isText = i % 2 === 0;
    let whole: string | Uint8Array<ArrayBuffer>;
    if (isText) {
      let text = "";
      while (text.length < length) text += words[upTo(words.length - 1)];
      // The words are never cut, so that this is a text still.
      whole = text;
    } else {
      const most = i % 3 === 0 ? 255 : 3;
      whole = Uint8Array.from({ length }, () => upTo(most));
    }
    if (i % 5 > 1) return [whole];
    const cuts = Array.from({ length: 1 + upTo(3) }, () => upTo(whole.length))
      .sort((a, b) => a - b);
    const parts = [...cuts, whole.length].map((end, part) =>
      [part === 0 ? 0 : cuts[part - 1], end] as const
    );
    return typeof whole === "string"
      ? texts(whole, parts.map(([, end]) => end))
      : parts.map(([from, end]) => whole.slice(from, end));
  });
}

/** Cuts a text at about these places, and never within a character. */
function texts(whole: string, ends: readonly number[]): string[] {
  let from = 0;
  return ends.map((end) => {
    const unit = whole.charCodeAt(end);
    if (unit >= 0xdc00 && unit < 0xe000) end++; // the second half of a pair
    const part = whole.slice(from, end);
    from = end;
    return part;
  });
}

function joined(parts: Message): string | Uint8Array<ArrayBuffer> {
  const [first] = parts;
  if (typeof first === "string") return parts.join("");
  return new Uint8Array(
    parts.flatMap((part) => typeof part === "string" ? [] : Array.from(part)),
  );
}

const MESSAGES = messages();
const WHOLE = MESSAGES.map(joined);

function dataOf(parts: Message): SendData[] {
  const type = typeof parts[0] === "string" ? "text" : "binary";
  return parts.map((message, i) => ({
    type: i === 0 ? type : "continue",
    message,
    fin: i === parts.length - 1,
  }));
}

/** Sends all messages both ways at once, and compares them. */
async function exchange({ ours, theirs }: Ends): Promise<void> {
  const sending = async () => {
    for (const parts of MESSAGES) await ours.send(dataOf(parts));
  };
  const echoing = async () => {
    for (const [i, parts] of MESSAGES.entries()) {
      await assertGets(theirs, WHOLE[i]);
      if (parts.length === 1) theirs.send(parts[0]);
      // Text or bytes, as the first is: a list of one kind.
      else theirs.sendFragments(parts as readonly string[]);
    }
  };
  const receiving = async () => {
    for (const [i, message] of WHOLE.entries()) {
      assertSame(await nextMessage(ours), message, `message ${i}`);
    }
  };
  await Promise.all([sending(), echoing(), receiving()]);
}

// The combinations.

const TAKEOVERS = [false, true];
const BITS: readonly (WindowBits | undefined)[] = [undefined, 9, 12, 15];

/** All combinations with these two. */
function combinations(
  serverNoContextTakeover: boolean,
  serverMaxWindowBits: WindowBits | undefined,
): Parameters[] {
  return TAKEOVERS.flatMap((clientNoContextTakeover) =>
    BITS.map((clientMaxWindowBits) => ({
      serverNoContextTakeover,
      clientNoContextTakeover,
      serverMaxWindowBits,
      clientMaxWindowBits,
    }))
  );
}

/** What servers demand of clients that have offered nothing of it. */
const DEMANDS: readonly Parameters[] = [
  { serverNoContextTakeover: true, clientMaxWindowBits: 9 },
  { clientNoContextTakeover: true, serverMaxWindowBits: 9 },
  { serverMaxWindowBits: 12, clientMaxWindowBits: 12 },
  {
    serverNoContextTakeover: true,
    clientNoContextTakeover: true,
    serverMaxWindowBits: 9,
    clientMaxWindowBits: 15,
  },
];

/** Asserts that the answer grants what was asked for. */
function assertGranted({ ours }: Ends, asked: Parameters): void {
  const field = ours.upgrade.response.headers.get("Sec-WebSocket-Extensions");
  assert(field !== null);
  const answer = new Map(
    field.split(";").map((part) => {
      const [name, value = ""] = part.trim().split("=");
      return [name, value];
    }),
  );
  assertEquals(answer.get(NAME), "");
  if (asked.serverNoContextTakeover) {
    assertEquals(answer.get("server_no_context_takeover"), "");
  }
  for (
    const [name, bits] of [
      ["server_max_window_bits", asked.serverMaxWindowBits],
      ["client_max_window_bits", asked.clientMaxWindowBits],
    ] as const
  ) {
    if (bits !== undefined) assertEquals(answer.get(name), `${bits}`);
  }
}

function testParameters({ peer, own }: Deflating): void {
  /** Our client, against one server for all. */
  async function asClient(
    scope: Scope,
    runs: readonly (readonly [PermessageDeflateOptions, Parameters])[],
    theirs: Parameters,
  ): Promise<void> {
    const server = await peer.serve(scope, { own: own("server", theirs) });
    for (const [options, asked] of runs) {
      scope.at = JSON.stringify(asked);
      const ours = await connect(scope, `ws://127.0.0.1:${server.port}/`, {
        extensions: [permessageDeflate(options)],
      });
      const ends = { ours, theirs: await server.accept() };
      assertGranted(ends, asked);
      await exchange(ends);
      await closeOurs(ends);
    }
  }

  /** Our server, against one client for each. */
  async function asServer(
    scope: Scope,
    options: PermessageDeflateOptions,
    runs: readonly (readonly [Parameters, Parameters])[],
  ): Promise<void> {
    const listener = listen(scope);
    const url = `ws://127.0.0.1:${listener.addr.port}/`;
    const extensions = [permessageDeflate(options)];
    for (const [theirs, asked] of runs) {
      scope.at = JSON.stringify(asked);
      const [ours, socket] = await Promise.all([
        accept(scope, listener, { extensions }),
        peer.connect(scope, url, { own: own("client", theirs) }),
      ]);
      const ends = { ours, theirs: openedOf(socket) };
      assertGranted(ends, asked);
      await exchange(ends);
      await closeOurs(ends);
    }
  }

  for (const serverBits of BITS) {
    for (const takeover of TAKEOVERS) {
      const all = combinations(!takeover, serverBits);
      const codec = takeover ? portableCodec : zlibCodec;
      const what = `${takeover ? "" : "no "}context takeover and ${
        serverBits ?? "any"
      } bits of the server's, with all of the client's`;
      interopTest(
        `our client and the server of ${peer.name}: ${what}`,
        (scope) =>
          asClient(
            scope,
            all.map((asked) => [{ ...asked, codec }, asked]),
            {},
          ),
      );
      interopTest(
        `our server and the client of ${peer.name}: ${what}`,
        (scope) =>
          asServer(scope, { codec }, all.map((asked) => [asked, asked])),
      );
    }
  }

  for (const demanded of DEMANDS) {
    const what = `the server demands ${JSON.stringify(demanded)}`;
    interopTest(
      `our client and the server of ${peer.name}: ${what}`,
      (scope) => asClient(scope, [[{}, demanded]], demanded),
    );
    interopTest(
      `our server and the client of ${peer.name}: ${what}`,
      (scope) => asServer(scope, demanded, [[{}, demanded]]),
    );
  }
}

testInterop(WS.peer, variantOf(WS));
testParameters(WS);

const version = installedVersion();
if (version !== undefined) {
  const peer = { ...pythonWebsockets, name: `Python websockets ${version}` };
  testInterop(peer, variantOf(PYTHON));
  testParameters({ ...PYTHON, peer });
}

// A browser. Its request is written down, so that none is needed.

const CHROMIUM = [
  "GET / HTTP/1.1",
  "Host: 127.0.0.1",
  "Connection: Upgrade",
  "Pragma: no-cache",
  "Cache-Control: no-cache",
  "Upgrade: websocket",
  "Origin: http://127.0.0.1",
  "Sec-WebSocket-Version: 13",
  "Accept-Encoding: gzip, deflate, br, zstd",
  "Accept-Language: en-US,en;q=0.9",
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
  "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
  "",
  "",
].join("\r\n");

for (
  const [options, field] of [
    [{}, "permessage-deflate"],
    [
      { clientMaxWindowBits: 10 },
      "permessage-deflate; client_max_window_bits=10",
    ],
    [
      { serverNoContextTakeover: true, serverMaxWindowBits: 9 },
      "permessage-deflate; server_no_context_takeover; server_max_window_bits=9",
    ],
  ] as const
) {
  interopTest(
    `our server answers the offer of Chromium with "${field}"`,
    async (scope) => {
      const listener = listen(scope);
      const { port } = listener.addr;
      const conn = await Deno.connect({ hostname: "127.0.0.1", port });
      scope.defer(() => conn.close());
      await conn.write(utf8(CHROMIUM));
      const ours = await accept(scope, listener, {
        extensions: [permessageDeflate({ ...options, threshold: 0 })],
      });
      const { response } = ours.upgrade;
      assertEquals(response.headers.get("Sec-WebSocket-Extensions"), field);

      // "Hello" of RFC 7692, section 7.2.3.1, masked with zeros, and its echo.
      await conn.write(hex("c1 87 00 00 00 00 f2 48 cd c9 c9 07 00"));
      assertEquals((await ours.expect("text")).message, "Hello");
      await ours.send({ type: "text", message: "Hello" });
      assert(await endsWith(conn, hex("c1 07 f2 48 cd c9 c9 07 00")));
    },
  );
}

/** Reads until these bytes have come behind the head of the response. */
async function endsWith(conn: Deno.Conn, end: Uint8Array): Promise<boolean> {
  const buffer = new Uint8Array(4096);
  for (let at = 0, count; (count = await conn.read(buffer.subarray(at)));) {
    at += count;
    const digits = toHex(buffer.subarray(0, at));
    if (digits.includes("0d 0a 0d 0a") && digits.endsWith(toHex(end))) {
      return true;
    }
  }
  return false;
}
