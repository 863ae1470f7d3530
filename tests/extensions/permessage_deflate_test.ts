// permessage-deflate (RFC 7692): the options, what is compressed and how, and the
// examples of section 7.2.3. The tables of the negotiation are in
// deflate_parameters_test.ts.
import {
  assert,
  assertEquals,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { Connection } from "../../src/connection/connection.ts";
import type { SendData } from "../../src/connection/event.ts";
import type { Role } from "../../src/connection/options.ts";
import { PreparedMessage } from "../../src/connection/prepared.ts";
import {
  type DeflateCodec,
  DeflateDataError,
  portableCodec,
} from "../../src/extensions/deflate_codec.ts";
import {
  type Extension,
  ExtensionError,
  type ExtensionParameter,
} from "../../src/extensions/extension.ts";
import {
  permessageDeflate,
  type PermessageDeflateOptions,
} from "../../src/extensions/permessage_deflate.ts";
import { zlibCodec } from "../../src/extensions/zlib_codec.ts";
import { concat, hex, toHex, utf8 } from "../helpers/bytes.ts";
import {
  assertEvents,
  drain,
  event,
  other,
  received,
  ROLES,
  type Seen,
  wire,
} from "../helpers/events.ts";
import { extension } from "../helpers/extensions.ts";

const CODECS: readonly (readonly [name: string, codec: DeflateCodec])[] = [
  ["portableCodec", portableCodec],
  ["zlibCodec", zlibCodec],
];

const ST = "server_no_context_takeover";
const CT = "client_no_context_takeover";
const SB = "server_max_window_bits";
const CB = "client_max_window_bits";

/** "a; b=1" as parameters. */
function read(text: string): ExtensionParameter[] {
  return text.split("; ").filter((part) => part !== "").map((part) => {
    const [name, value = null] = part.split("=");
    return [name, value];
  });
}

/** The extension of one side, after these parameters were agreed on. */
function agreed(
  role: Role,
  parameters = "",
  options: PermessageDeflateOptions = {},
): Extension {
  const deflate = permessageDeflate(options);
  if (role === "client") return deflate.accept(read(parameters));
  const answer = deflate.answer(read(parameters));
  assert(answer !== undefined);
  return answer.extension;
}

function connection(
  role: Role,
  parameters = "",
  options: PermessageDeflateOptions = {},
): Connection {
  return new Connection(role, {
    extensions: [agreed(role, parameters, options)],
    random: (bytes) => bytes.fill(0), // so that a client's frames are to be read
  });
}

/** A frame that was sent: its first byte and its payload. */
interface Sent {
  readonly first: number;
  readonly payload: string;
}

function sent(ws: Connection, ...data: SendData[]): Sent[] {
  const bytes = ws.send(data);
  const frames: Sent[] = [];
  for (let at = 0; at < bytes.length;) {
    const first = bytes[at];
    let length = bytes[at + 1] & 0x7f;
    let from = at + 2;
    if (length === 126) {
      length = bytes[at + 2] << 8 | bytes[at + 3];
      from += 2;
    }
    if (ws.role === "client") from += 4;
    at = from + length;
    frames.push({ first, payload: toHex(bytes.subarray(from, at)) });
  }
  return frames;
}

const HELLO = "f2 48 cd c9 c9 07 00";
/** "Hello" with a window in which it is already. */
const AGAIN = "f2 00 11 00 00";
/** The same in one match, as it is sent. */
const REPEATED = "02 13 00 00";

/** Options with which everything is compressed. */
const ALL = { threshold: 0 };

Deno.test("permessageDeflate() is the extension of both sides", () => {
  const deflate = permessageDeflate();
  assertEquals(deflate.name, "permessage-deflate");
  assertEquals(deflate.reserved, [1, 0, 0]);
  assertEquals(deflate.offers(), [[[CB, null]]]);
  const answer = deflate.answer([[CB, null]]);
  assertEquals(answer?.parameters, []);
  assertEquals(answer?.extension.parameters, []);
  assertEquals(answer?.extension.name, "permessage-deflate");
  assertEquals(answer?.extension.reserved, [1, 0, 0]);
});

Deno.test("permessageDeflate() offers what its options say", () => {
  const deflate = permessageDeflate({
    serverNoContextTakeover: true,
    clientNoContextTakeover: true,
    serverMaxWindowBits: 9,
    clientMaxWindowBits: 10,
  });
  assertEquals(deflate.offers(), [read(`${ST}; ${CT}; ${SB}=9; ${CB}=10`)]);
  const answer = deflate.answer(read(`${CB}`));
  assertEquals(
    answer?.parameters,
    read(`${ST}; ${CT}; ${SB}=9; ${CB}=10`),
  );
  assertStrictEquals(answer?.extension.parameters, answer?.parameters);
  assertEquals(deflate.answer([]), undefined);
});

Deno.test("permessageDeflate() takes `undefined` as left out", () => {
  const deflate = permessageDeflate({
    serverNoContextTakeover: undefined,
    clientNoContextTakeover: undefined,
    serverMaxWindowBits: undefined,
    clientMaxWindowBits: undefined,
    threshold: undefined,
    level: undefined,
    memLevel: undefined,
    codec: undefined,
  });
  assertEquals(deflate.offers(), [[[CB, null]]]);
});

Deno.test("permessageDeflate() throws a RangeError where an option is out of range", () => {
  const odd = (value: unknown) => value as 9; // as JavaScript may pass it
  for (const bits of [7, 16, 8.5, NaN, "9", Infinity]) {
    for (const option of ["serverMaxWindowBits", "clientMaxWindowBits"]) {
      assertThrows(
        () => permessageDeflate({ [option]: odd(bits) }),
        RangeError,
        `Cannot use a window of ${bits} bits: 8 to 15 it is`,
      );
    }
  }
  for (const threshold of [-1, NaN]) {
    assertThrows(
      () => permessageDeflate({ threshold }),
      RangeError,
      `Cannot use ${threshold} bytes as threshold`,
    );
  }
  for (const level of [-1, 10, 1.5, NaN]) {
    assertThrows(
      () => permessageDeflate({ level }),
      RangeError,
      `Cannot use ${level} as level: 0 to 9 it is`,
    );
  }
  for (const memLevel of [0, 10, 1.5, NaN]) {
    assertThrows(
      () => permessageDeflate({ memLevel }),
      RangeError,
      `Cannot use ${memLevel} as memLevel: 1 to 9 it is`,
    );
  }
  permessageDeflate({ threshold: Infinity, level: 0, memLevel: 1 });
  permessageDeflate({ threshold: 0.5, level: 9, memLevel: 9 });
});

Deno.test("accept() throws an ExtensionError with 1010 where the answer is wrong", () => {
  const deflate = permessageDeflate({ serverNoContextTakeover: true });
  const error = assertThrows(() => deflate.accept([]), ExtensionError);
  assertEquals(error.code, 1010);
  assertEquals(
    error.message,
    `permessage-deflate: ${ST} was asked for and is not granted`,
  );
});

Deno.test("answer() declines an offer that is wrong", () => {
  for (const offer of [`${SB}=7`, `${SB}`, "x", `${ST}; ${ST}`, "__proto__"]) {
    assertEquals(permessageDeflate().answer(read(offer)), undefined, offer);
  }
});

for (const role of ROLES) {
  for (const [name, codec] of CODECS) {
    const options = { ...ALL, codec };
    const hello: SendData = { type: "text", message: "Hello" };

    Deno.test(`a ${role} sends the examples of RFC 7692, section 7.2.3, with ${name}`, () => {
      const ws = connection(role, "", options);
      // 7.2.3.1
      assertEquals(sent(ws, hello), [{ first: 0xc1, payload: HELLO }]);
      // 7.2.3.2
      assertEquals(sent(ws, hello), [{ first: 0xc1, payload: REPEATED }]);
      // 7.2.3.6
      assertEquals(sent(ws, { type: "text" }), [{
        first: 0xc1,
        payload: "00",
      }]);
    });

    Deno.test(`a ${role} sends fragments that are one compressed message with ${name}`, () => {
      const ws = connection(role, "", options);
      const frames = sent(
        ws,
        { type: "text", message: "Hel", fin: false },
        { type: "ping", message: "1" },
        { type: "continue", message: "lo", fin: false },
        { type: "continue" },
      );
      assertEquals(frames.map(({ first }) => first), [0x41, 0x89, 0x00, 0x80]);
      const [one, ping, two, three] = frames.map(({ payload }) => payload);
      assert(one.endsWith("00 00 ff ff") && two.endsWith("00 00 ff ff"));
      assertEquals([ping, three], ["31", "00"]);
      const peer = connection(other(role), "", options);
      assertEquals(
        received(
          peer,
          wire(
            other(role),
            {
              opcode: 1,
              fin: false,
              payload: hex(one),
              reserved: [1, 0, 0],
            },
            { opcode: 0, fin: false, payload: hex(two) },
            { opcode: 0, payload: hex(three) },
          ),
        ),
        [event("text", "Hello")],
      );
    });

    Deno.test(`a ${role} sends an empty fragment as none with ${name}`, () => {
      const ws = connection(role, "", options);
      const frames = sent(
        ws,
        { type: "binary", fin: false },
        { type: "continue", fin: false },
        { type: "continue", message: "Hello" },
      );
      assertEquals(frames, [
        { first: 0x42, payload: "" },
        { first: 0x00, payload: "" },
        { first: 0x80, payload: HELLO },
      ]);
    });

    Deno.test(`a ${role} reads the examples of RFC 7692, section 7.2.3, with ${name}`, () => {
      const bits = [1, 0, 0] as const;
      const text = (payload: string) =>
        wire(role, { opcode: 1, payload: hex(payload), reserved: bits });
      const bytes = concat(
        // 7.2.3.1, whole, and in fragments with a ping between
        text(HELLO),
        wire(
          role,
          {
            opcode: 1,
            fin: false,
            reserved: bits,
            payload: hex("f2 48 cd"),
          },
          { opcode: 9 },
          { opcode: 0, payload: hex("c9 c9 07 00") },
        ),
        // 7.2.3.2: the window is shared
        text(AGAIN),
        // 7.2.3.3: a block that is not compressed
        text("00 05 00 fa ff 48 65 6c 6c 6f 00"),
        // 7.2.3.4: a final block
        text("f3 48 cd c9 c9 07 00 00"),
        // 7.2.3.5: two blocks
        text("f2 48 05 00 00 00 ff ff ca c9 c9 07 00"),
        // 7.2.3.6: nothing
        text("00"),
        // a message may always be sent as it is (section 6)
        wire(role, { opcode: 1, payload: utf8("Hello") }),
        text(AGAIN),
      );
      const said = event("text", "Hello");
      const nothing = event("text", "");
      const seen: Seen[] = [
        said,
        event("ping", new Uint8Array()),
        said,
        said,
        said,
        said,
        said,
        nothing,
        said,
        said,
      ];
      // Each connection needs an extension of its own, so the cuts are made here.
      assertFreshEvents(role, options, bytes, seen);
    });
  }

  Deno.test(`a ${role} compresses from the threshold on, 64 bytes where nothing is said`, () => {
    for (const threshold of [undefined, 10, 0]) {
      const ws = connection(role, "", { threshold });
      const least = threshold ?? 64;
      for (const length of [least - 1, least, least + 1]) {
        if (length < 0) continue;
        for (const message of ["x".repeat(length), new Uint8Array(length)]) {
          const [{ first }] = sent(ws, { type: "binary", message });
          assertEquals(first, length < least ? 0x82 : 0xc2);
        }
      }
    }
    // Bytes count, not characters.
    const ws = connection(role);
    const [short] = sent(ws, { type: "text", message: "é".repeat(31) });
    const [long] = sent(ws, { type: "text", message: "é".repeat(32) });
    assertEquals([short.first, long.first], [0x81, 0xc1]);
    // How long a fragmented message gets, nobody knows.
    const [part] = sent(ws, { type: "text", message: "a", fin: false });
    assertEquals(part.first, 0x41);
  });

  Deno.test(`a ${role} compresses as \`compress\` says, whatever the threshold`, () => {
    const ws = connection(role, "", { threshold: Infinity });
    const message = "x".repeat(100);
    const first = (data: SendData) => sent(ws, data)[0].first;
    assertEquals(first({ type: "text", message }), 0x81);
    assertEquals(first({ type: "text", message, compress: true }), 0xc1);
    assertEquals(first({ type: "text", message: "", compress: true }), 0xc1);
    const all = connection(role, "", ALL);
    assertEquals(
      sent(
        all,
        { type: "text", message: "Hello", compress: false },
        { type: "binary", message: "Hello", compress: false, fin: false },
        { type: "continue", message: "Hello", compress: true },
      ),
      [
        { first: 0x81, payload: "48 65 6c 6c 6f" },
        { first: 0x02, payload: "48 65 6c 6c 6f" },
        { first: 0x80, payload: "48 65 6c 6c 6f" },
      ],
    );
  });

  Deno.test(`a ${role} never compresses with a window of 256 bytes, and reads what is`, () => {
    const own = role === "client" ? CB : SB;
    const ws = connection(role, `${own}=8`, ALL);
    const data = { type: "text", message: "Hello", compress: true } as const;
    assertEquals(sent(ws, data), [{ first: 0x81, payload: "48 65 6c 6c 6f" }]);
    assertEquals(
      sent(ws, { ...data, fin: false }, { type: "continue" })
        .map(({ first }) => first),
      [0x01, 0x80],
    );
    // The peer's window is none of ours.
    assertEquals(
      received(
        ws,
        wire(role, {
          opcode: 1,
          payload: hex(HELLO),
          reserved: [1, 0, 0],
        }),
      ),
      [event("text", "Hello")],
    );
    const peer = connection(role, `${role === "client" ? SB : CB}=8`, ALL);
    assertEquals(sent(peer, data), [{ first: 0xc1, payload: HELLO }]);
  });

  Deno.test(`a ${role} compresses with the largest window that its codec has within the agreed one`, () => {
    const own = role === "client" ? CB : SB;
    const seven = [9, 10, 11, 12, 13, 14, 15];
    const tables: [
      windowBits: readonly number[] | undefined,
      used: Record<number, number | undefined>,
    ][] = [
      [undefined, { 8: undefined, 9: 9, 12: 12, 15: 15 }],
      [seven, { 8: undefined, 9: 9, 12: 12, 15: 15 }],
      [[15], { 8: undefined, 9: undefined, 14: undefined, 15: 15 }],
      [[12, 9, 11], { 8: undefined, 9: 9, 10: 9, 11: 11, 12: 12, 15: 12 }],
      [[8], { 8: 8, 15: 8 }],
      [[], { 8: undefined, 15: undefined }],
    ];
    for (const [windowBits, used] of tables) {
      for (const [bits, expected] of Object.entries(used)) {
        const seen: number[] = [];
        const codec: DeflateCodec = {
          ...portableCodec,
          windowBits,
          deflater(settings) {
            seen.push(settings.windowBits);
            return portableCodec.deflater({ ...settings, windowBits: 9 });
          },
        };
        const ws = connection(role, `${own}=${bits}`, { ...ALL, codec });
        const data = { type: "text", message: "Hello" } as const;
        const isPlain = expected === undefined;
        assertEquals(
          sent(ws, data),
          isPlain
            ? [{ first: 0x81, payload: "48 65 6c 6c 6f" }]
            : [{ first: 0xc1, payload: HELLO }],
        );
        assertEquals(
          sent(ws, { ...data, compress: true, fin: false }, {
            type: "continue",
          }).map(({ first }) => first),
          [isPlain ? 0x01 : 0x41, 0x80],
        );
        assertEquals(seen, isPlain ? [] : [expected]);
      }
    }
  });

  Deno.test(`a ${role} sends nothing that a codec has not flushed`, () => {
    for (
      const wrong of [
        "4c 00 00 00 00",
        "00 ff ff",
        "00 00 ff fe",
        "00 00 00 ff",
        "01 00 ff ff",
        "00 01 ff ff",
        "",
        "a text",
      ]
    ) {
      const result: unknown = wrong === "a text" ? wrong : hex(wrong);
      const codec: DeflateCodec = {
        ...portableCodec,
        deflater: (settings) => ({
          ...portableCodec.deflater(settings),
          compress: () => result as Uint8Array<ArrayBuffer>, // untyped
          reset() {},
          close() {},
        }),
      };
      const ws = connection(role, "", { ...ALL, codec });
      for (const fin of [true, false]) {
        assertThrows(
          () => ws.send({ type: "text", message: "a", fin }),
          TypeError,
          "The codec has compressed to what is not bytes that end with 00 00 ff ff",
        );
      }
    }
  });

  Deno.test(`a ${role} closes its inflater where its deflater cannot close`, () => {
    let closed = 0;
    const codec: DeflateCodec = {
      deflater: () => ({
        compress: () => hex("00 00 ff ff"),
        reset() {},
        close() {
          throw new Error("stuck");
        },
      }),
      inflater: () => ({
        decompress: () => [],
        reset() {},
        close: () => void closed++,
      }),
    };
    const ws = connection(role, "", { ...ALL, codec });
    ws.send({ type: "text", message: "a" });
    const frame = {
      opcode: 2,
      payload: hex("00"),
      reserved: [1, 0, 0],
    } as const;
    received(ws, wire(role, frame), null);
    assertEquals(closed, 1);
  });

  Deno.test(`a ${role} forgets what it sent only if that was agreed on`, () => {
    const own = role === "client" ? CT : ST;
    const peers = role === "client" ? ST : CT;
    const hello: SendData = { type: "text", message: "Hello" };
    const payloads = (parameters: string) =>
      sent(connection(role, parameters, ALL), hello, hello)
        .map(({ payload }) => payload);
    assertEquals(payloads(""), [HELLO, REPEATED]);
    assertEquals(payloads(peers), [HELLO, REPEATED]);
    assertEquals(payloads(own), [HELLO, HELLO]);
    assertEquals(payloads(`${own}; ${peers}`), [HELLO, HELLO]);
  });

  Deno.test(`a ${role} writes to a caller's memory where there is just enough of it`, () => {
    const mask = role === "client" ? 4 : 0;
    const message = "x".repeat(1000);
    for (
      const [compress, size] of [[false, 4 + mask + 1000], [
        true,
        2 + mask + 10,
      ]] as const
    ) {
      for (const spare of [0, 1, -1]) {
        const ws = connection(role, "", ALL);
        const into = new Uint8Array(size + spare);
        const bytes = ws.send({ type: "text", message, compress }, into);
        assertEquals(bytes.length, size);
        assertEquals(bytes.buffer === into.buffer, spare >= 0);
      }
    }
  });

  Deno.test(`a ${role} that forgets its messages remembers their fragments`, () => {
    const ws = connection(role, `${ST}; ${CT}`, ALL);
    const fragments: SendData[] = [
      { type: "text", message: "Hello", fin: false },
      { type: "continue", message: "Hello" },
    ];
    const tail = "00 00 ff ff";
    const frames = [
      { first: 0x41, payload: `${HELLO} ${tail}` },
      { first: 0x80, payload: REPEATED },
    ];
    assertEquals(sent(ws, ...fragments), frames);
    assertEquals(sent(ws, ...fragments), frames);
    const bytes = wire(
      role,
      {
        opcode: 1,
        fin: false,
        payload: hex(`${HELLO} ${tail}`),
        reserved: [1, 0, 0],
      },
      { opcode: 0, payload: hex(REPEATED) },
    );
    assertEquals(
      received(connection(role, `${ST}; ${CT}`), bytes, bytes),
      [event("text", "HelloHello"), event("text", "HelloHello")],
    );
  });

  Deno.test(`a ${role} forgets what it received only if that was agreed on`, () => {
    const own = role === "client" ? CT : ST;
    const peers = role === "client" ? ST : CT;
    const frame = (payload: string) =>
      wire(role, { opcode: 1, payload: hex(payload), reserved: [1, 0, 0] });
    for (const parameters of ["", own]) {
      const ws = connection(role, parameters);
      assertEquals(received(ws, frame(HELLO), frame(AGAIN)), [
        event("text", "Hello"),
        event("text", "Hello"),
      ]);
    }
    const ws = connection(role, peers);
    const [first, second] = received(ws, frame(HELLO), frame(AGAIN));
    assertEquals(first, event("text", "Hello"));
    assert("rule" in second);
    assertEquals([second.rule, second.code], ["extension", 1007]);
  });

  Deno.test(`a ${role} keeps to the window that was agreed on`, () => {
    // The second half repeats the first at a distance of 600 bytes.
    const half = Uint8Array.from({ length: 600 }, (_, i) => i * i >> 3);
    const message = concat(half, half);
    const own = role === "client" ? CB : SB;
    const lengthWith = (bits: number) =>
      connection(role, `${own}=${bits}`).send({ type: "binary", message })
        .length;
    assert(lengthWith(9) > lengthWith(10) + 100);
  });

  Deno.test(`a ${role} makes its codec's ends when needed, with the settings, and closes them once`, () => {
    const calls: unknown[] = [];
    const codec: DeflateCodec = {
      deflater(settings) {
        calls.push(["deflater", settings]);
        return {
          compress: (bytes) => {
            calls.push(`compress ${bytes.length}`);
            return new Uint8Array([1, 0, 0, 0xff, 0xff]);
          },
          reset: () => calls.push("reset deflater"),
          close: () => calls.push("close deflater"),
        };
      },
      inflater(settings) {
        calls.push(["inflater", settings]);
        return {
          decompress: (_, { last, budget }) => {
            calls.push(`decompress ${last} ${budget}`);
            return [];
          },
          reset: () => calls.push("reset inflater"),
          close: () => calls.push("close inflater"),
        };
      },
    };
    const options = { ...ALL, level: 3, memLevel: 5, codec };
    const parameters = `${ST}; ${CT}; ${SB}=10; ${CB}=11`;
    const extension = agreed(role, parameters, options);
    const ws = new Connection(role, {
      extensions: [extension],
      maxMessageBytes: 100,
    });
    const [ownBits, peerBits] = role === "client" ? [11, 10] : [10, 11];
    assertEquals(calls, []);
    ws.send({ type: "text" });
    ws.send({ type: "text", compress: false });
    assertEquals(calls, []);
    ws.send({ type: "text", message: "a" });
    ws.send({ type: "text", message: "bc" });
    assertEquals(calls.splice(0), [
      ["deflater", { windowBits: ownBits, level: 3, memLevel: 5 }],
      "compress 1",
      "reset deflater",
      "compress 2",
      "reset deflater",
    ]);
    const frame = wire(role, {
      opcode: 2,
      payload: hex("ff"),
      reserved: [1, 0, 0],
    });
    received(ws, wire(role, { opcode: 2 }));
    assertEquals(calls, []);
    received(ws, frame, frame);
    assertEquals(calls.splice(0), [
      ["inflater", { windowBits: peerBits }],
      "decompress true 100",
      "reset inflater",
      "decompress true 100",
      "reset inflater",
    ]);
    received(ws, null, null);
    assertEquals(calls, ["close deflater", "close inflater"]);
    extension.close();
    assertEquals(calls.length, 2);
  });

  Deno.test(`a ${role} that never used them closes nothing`, () => {
    const ws = connection(role);
    received(ws, null);
    assertEquals(ws.state, "closed");
  });

  Deno.test(`a ${role} fails with 1007 where the data is corrupt, with 1011 where the codec is`, () => {
    const throwing = (error: unknown): DeflateCodec => ({
      ...portableCodec,
      inflater: (settings) => ({
        ...portableCodec.inflater(settings),
        // deno-lint-ignore require-yield
        *decompress() {
          throw error;
        },
        close() {},
      }),
    });
    const secret = "the secret is 42";
    for (
      const [error, code, message] of [
        [new DeflateDataError("no block"), 1007, "no block"],
        [new Error(secret), 1011, "An extension has failed"],
        [secret, 1011, "An extension has failed"],
      ] as const
    ) {
      const ws = connection(role, "", { codec: throwing(error) });
      ws.recv(wire(role, { opcode: 2, reserved: [1, 0, 0] }));
      const failed = ws.nextEvent();
      assert(typeof failed === "object" && failed.type === "fail");
      assertEquals(
        [failed.rule, failed.code, failed.message],
        ["extension", code, message],
      );
      const { cause } = failed;
      assertStrictEquals(
        cause instanceof ExtensionError ? cause.cause : cause,
        error,
      );
      assertEquals(toHex(ws.reply(failed)).includes(toHex(utf8("42"))), false);
    }
  });
}

Deno.test("permessageDeflate() throws where a codec's windows are none", () => {
  const withWindows = (windowBits: unknown) =>
    permessageDeflate({
      codec: { ...portableCodec, windowBits: windowBits as number[] }, // untyped
    });
  for (const wrong of [15, "15", null, { 15: 15 }]) {
    assertThrows(
      () => withWindows(wrong),
      TypeError,
      "Cannot use a codec whose `windowBits` is no array",
    );
  }
  for (const wrong of [7, 16, 8.5, NaN, "15", undefined]) {
    assertThrows(() => withWindows([15, wrong]), RangeError, "windowBits");
  }
});

for (const forgets of [true, false]) {
  Deno.test(`a deflater that ${forgets ? "can" : "cannot"} forget is ${forgets ? "" : "closed and not "}used again after what was not sent`, () => {
    let [isBroken, closed, made] = [false, 0, 0];
    const codec: DeflateCodec = {
      ...portableCodec,
      deflater(settings) {
        made++;
        const deflater = portableCodec.deflater(settings);
        return {
          compress: (bytes) => deflater.compress(bytes),
          reset() {
            if (!forgets) throw new Error("stuck");
            deflater.reset();
          },
          close() {
            closed++;
            throw new Error("stuck too");
          },
        };
      },
    };
    const ws = new Connection("server", {
      extensions: [
        agreed("server", "", { ...ALL, codec }),
        extension({
          reserved: [0, 0, 0],
          encode(part) {
            if (isBroken) throw new Error("the reason");
            return part;
          },
        }),
      ],
    });
    const peer = connection("client");
    const message = "what was said before is said again";
    for (const broken of [false, true, false, false]) {
      isBroken = broken;
      const send = () => ws.send({ type: "text", message });
      if (broken) assertThrows(send, Error, "the reason");
      else peer.recv(send());
    }
    assertEquals(drain(peer), new Array(3).fill(event("text", message)));
    assertEquals([made, closed], forgets ? [1, 0] : [2, 1]);
  });
}

Deno.test("a prepared message is compressed once, and as it is where there is no window for it", () => {
  let made = 0;
  const counting = (windowBits?: readonly number[]): DeflateCodec => ({
    ...portableCodec,
    windowBits,
    deflater(settings) {
      made++;
      return portableCodec.deflater(settings);
    },
  });
  for (
    const [codec, expected] of [
      [counting(), "c1 07 f2 48 cd c9 c9 07 00"],
      [counting([]), "81 05 48 65 6c 6c 6f"],
    ] as const
  ) {
    made = 0;
    const deflate = permessageDeflate({ ...ALL, codec });
    const prepared = new PreparedMessage({ type: "text", message: "Hello" });
    for (let i = 0; i < 5; i++) {
      const answer = deflate.answer(read(ST));
      assert(answer !== undefined);
      const extensions = [answer.extension];
      const ws = new Connection("server", { extensions });
      assertEquals(toHex(ws.send(prepared)), expected);
    }
    assertEquals(made, expected.startsWith("c1") ? 1 : 0);
  }
});

Deno.test("sharedKey() is the same only for what is encoded alike", () => {
  const deflate = permessageDeflate();
  const message = { type: "text", length: 99, fin: true, compress: undefined };
  const keyOf = (
    parameters: string,
    compress?: boolean,
    factory = deflate,
  ) => {
    const answer = factory.answer(read(parameters));
    return answer?.extension.sharedKey?.({ ...message, compress });
  };
  assertEquals(keyOf(""), undefined);
  assertEquals(keyOf("", false), "plain");
  assertEquals(keyOf(`${SB}=8`, true), "plain");
  assertEquals(keyOf(CT), undefined);
  const key = keyOf(ST);
  assert(key !== undefined && key !== "plain");
  assertEquals(keyOf(ST, true), key);
  assertEquals(keyOf(`${ST}; ${CT}; ${CB}=10`), key);
  assert(keyOf(`${ST}; ${SB}=10`) !== key);
  assert(keyOf(ST, undefined, permessageDeflate()) !== key);
});

/** Asserts what some bytes give, however cut, each time with a new extension. */
function assertFreshEvents(
  role: Role,
  options: PermessageDeflateOptions,
  bytes: Uint8Array,
  expected: readonly Seen[],
): void {
  // The getter is read for each connection that is made of the options.
  assertEvents(
    role,
    {
      get extensions() {
        return [agreed(role, "", options)];
      },
    },
    bytes,
    expected,
  );
}

Deno.test("two connections of one factory share nothing", () => {
  const deflate = permessageDeflate(ALL);
  const one = deflate.accept([]);
  const two = deflate.accept([]);
  const first = new Connection("client", { extensions: [one] });
  const second = new Connection("client", { extensions: [two] });
  const data = { type: "text", message: "Hello" } as const;
  assertEquals(first.send(data).length, second.send(data).length);
  assertEquals(drain(first), []);
});

Deno.test("permessageDeflate() gathers what its codec wants to", () => {
  const asked: number[][] = [];
  const codec: DeflateCodec = {
    ...portableCodec,
    inflater: (settings) => {
      const { decompress, reset, close } = portableCodec.inflater(settings);
      return {
        decompress,
        reset,
        close,
        gathers: (...numbers) => asked.push(numbers) === 1,
      };
    },
  };
  const extension = permessageDeflate({ codec }).accept([]);
  assertEquals(extension.gathers?.(10, 100), true);
  assertEquals(extension.gathers?.(20, 200), false);
  assertEquals(asked, [[10, 100], [20, 200]]);
  // The portable one streams everything.
  assertEquals(permessageDeflate().accept([]).gathers?.(5000, 1e6), false);
});
