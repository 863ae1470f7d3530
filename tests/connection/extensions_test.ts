// A connection with extensions: who sees which message, what an extension that
// fails does to it, limits behind it, and that it makes no difference how the
// bytes were cut.
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import {
  type AnyConnection,
  Connection,
} from "../../src/connection/connection.ts";
import type { FailEvent, SendData } from "../../src/connection/event.ts";
import { type Delivery, settingsOf } from "../../src/connection/options.ts";
import { PreparedMessage } from "../../src/connection/prepared.ts";
import { LocalProtocolError } from "../../src/errors.ts";
import {
  type DeflateCodec,
  portableCodec,
} from "../../src/extensions/deflate_codec.ts";
import {
  type Extension,
  ExtensionError,
  type PartPosition,
} from "../../src/extensions/extension.ts";
import { permessageDeflate } from "../../src/extensions/permessage_deflate.ts";
import { zlibCodec } from "../../src/extensions/zlib_codec.ts";
import type { FrameInit, Reserved } from "../../src/framing/frame.ts";
import { Information } from "../../src/information.ts";
import { watchAllocations } from "../helpers/allocations.ts";
import { concat, hex, payloadOf, toHex, utf8 } from "../helpers/bytes.ts";
import { sameHoweverCut } from "../helpers/cuts.ts";
import {
  drain,
  event,
  failure,
  head,
  joinParts,
  type Options,
  other,
  received,
  ROLES,
  type Seen,
  wire,
} from "../helpers/events.ts";
import { extension, Twice, Xor } from "../helpers/extensions.ts";

const DELIVERIES: readonly Delivery[] = ["message", "frame", "chunk"];

const CODECS: readonly (readonly [name: string, codec: DeflateCodec])[] = [
  ["portableCodec", portableCodec],
  ["zlibCodec", zlibCodec],
];

const RSV1: Reserved = [1, 0, 0];
const RSV2: Reserved = [0, 1, 0];

/** permessage-deflate without parameters; both sides are alike then. */
function deflated(codec: DeflateCodec = portableCodec): Extension {
  return permessageDeflate({ codec, threshold: 0 }).accept([]);
}

/** What some bytes give, the same however they are cut. */
function eventsOf(
  role: "client" | "server",
  options: () => Options,
  bytes: Uint8Array,
  count?: number,
): Seen[] {
  const isChunk = options().delivery === "chunk";
  return sameHoweverCut(bytes, (feed) => {
    const ws = new Connection(role, options());
    const seen: Seen[] = [];
    feed((chunk) => {
      ws.recv(chunk);
      seen.push(...drain(ws));
    });
    return isChunk ? joinParts(seen) : seen;
  }, count);
}

/** The failure that some bytes end with. */
function failureOf(ws: AnyConnection, bytes: Uint8Array): FailEvent {
  ws.recv(bytes);
  for (const event of ws.events()) {
    if (event.type === "fail" && "rule" in event) return event;
  }
  throw new Error("Nothing failed");
}

/** A message in frames of some bytes, compressed over all of them. */
function compressed(
  opcode: number,
  message: Uint8Array,
  size = Infinity,
  codec = portableCodec,
): FrameInit[] {
  const settings = { windowBits: 15, level: 6, memLevel: 8 };
  const bytes = codec.deflater(settings).compress(message).slice(0, -4);
  return inFrames(opcode, bytes, size, RSV1);
}

function inFrames(
  opcode: number,
  bytes: Uint8Array<ArrayBuffer>,
  size: number,
  reserved: Reserved,
): FrameInit[] {
  const frames: FrameInit[] = [];
  for (let at = 0; at === 0 || at < bytes.length; at += size) {
    frames.push({
      opcode: at === 0 ? opcode : 0,
      fin: at + size >= bytes.length,
      reserved: at === 0 ? reserved : [0, 0, 0],
      payload: bytes.slice(at, Math.min(at + size, bytes.length)),
    });
  }
  return frames;
}

const PING: FrameInit = { opcode: 9, payload: utf8("p") };
const PINGED = event("ping", utf8("p"));

function withPings(frames: readonly FrameInit[]): FrameInit[] {
  return frames.flatMap((frame, i) => i === 0 ? [frame] : [PING, frame]);
}

Deno.test("settingsOf() limits frames to 1.25 times the message and 1 KiB where extensions are", () => {
  const limits = (options: Options) => {
    const { rules, maxMessageBytes } = settingsOf("client", {
      ...options,
      extensions: [new Twice()],
    });
    return [maxMessageBytes, rules.maxFrameBytes, rules.maxMessageBytes];
  };
  assertEquals(limits({}), [16_777_216, 20_972_544, Infinity]);
  assertEquals(limits({ maxMessageBytes: 0 }), [0, 1024, Infinity]);
  assertEquals(limits({ maxMessageBytes: 3 }), [3, 1028, Infinity]);
  const most = Number.MAX_SAFE_INTEGER;
  for (const maxMessageBytes of [Infinity, most, most - 1]) {
    assertEquals(limits({ maxMessageBytes })[1], most);
  }
  assertEquals(limits({ maxFrameBytes: 7 }), [16_777_216, 7, Infinity]);
  assertEquals(
    settingsOf("client", { extensions: [] }).rules.maxFrameBytes,
    16_777_216,
  );
});

Deno.test("new Connection() throws a RangeError where a bit is claimed twice", () => {
  const extensions = [new Xor(1)];
  for (const role of ROLES) {
    for (const reserved of [[0, 1, 0], [0, 0, 1], [1, 1, 1]] as const) {
      assertThrows(
        () => new Connection(role, { extensions, reserved }),
        RangeError,
        'Cannot use the extension "xor"',
      );
    }
    assertThrows(
      () => new Connection(role, { extensions: [new Xor(1), new Xor(2)] }),
      RangeError,
    );
    assertThrows(
      () => new Connection(role, { extensions: [deflated(), deflated()] }),
      RangeError,
      'Cannot use the extension "permessage-deflate"',
    );
    new Connection(role, { extensions, reserved: [1, 0, 0] });
    new Connection(role, {
      extensions: [new Twice(), new Xor(1), new Twice(), deflated()],
    });
  }
});

for (const role of ROLES) {
  Deno.test(`a ${role} with extensions has bits of its own beside them`, () => {
    const ws = new Connection(role, {
      extensions: [new Xor(1)],
      reserved: [1, 0, 0],
      random: () => undefined,
    });
    const bytes = wire(
      role,
      { opcode: 1, reserved: [1, 1, 0], fin: false, payload: utf8("a") },
      { opcode: 0, reserved: RSV1, payload: utf8("b") },
      { opcode: 9, reserved: RSV1 },
    );
    // What the application's bit says of a text, only it knows.
    assertEquals(received(ws, bytes), [
      event("text", utf8("`c"), { reserved: RSV1 }),
      event("ping", utf8(""), { reserved: RSV1 }),
    ]);
    const sent = ws.send({ type: "text", message: "a", reserved: RSV1 });
    assertEquals([sent[0], sent.at(-1)], [0xe1, 0x60]);
  });

  Deno.test(`send() of a ${role} throws a LocalProtocolError where a bit is an extension's`, () => {
    const ws = new Connection(role, { extensions: [new Xor(1)] });
    for (const reserved of [RSV2, [0, 0, 1], [0, 1, 1]] as Reserved[]) { // of 0 and 1
      assertThrows(
        () => ws.send({ type: "text", message: "a", reserved }),
        LocalProtocolError,
        `Cannot send the reserved bits [${reserved}]`,
      );
    }
  });

  Deno.test(`send() of a ${role} takes \`compress\` for nothing where nobody listens`, () => {
    const random = () => undefined;
    for (const extensions of [[], [new Xor(0)]]) {
      const ws = new Connection(role, { random, extensions });
      const plain = ws.send({ type: "text", message: "aaaaaaaaaaaa" });
      for (const compress of [true, false]) {
        assertEquals(
          ws.send({ type: "text", message: "aaaaaaaaaaaa", compress }),
          plain,
        );
      }
      ws.send({ type: "ping", message: "a", compress: true });
      ws.send({ type: "close", compress: true });
    }
  });

  Deno.test(`a ${role} sends through its extensions in order, and receives in the opposite one`, () => {
    // (a, a) XOR 1, against (a XOR 1, a XOR 1): the same; so the order is seen
    // with a third that adds a byte in front.
    const mark = extension({
      begin: (reserved) => reserved[0] === 1,
      decode: (part, { frameEnd }) => {
        if (part.length > 0) assertEquals(part[0], 0x7e);
        return part.length > 0 ? [part.slice(1)] : frameEnd ? [] : [part];
      },
      encode: (part) => concat(utf8("~"), part),
    });
    const ends = () => [new Twice(), mark, new Xor(1)];
    const ws = new Connection(role, {
      extensions: ends(),
      random: () => undefined,
    });
    const bytes = ws.send({ type: "text", message: "ab" });
    // "aabb", "~aabb", XOR 1
    assertEquals(bytes[0], 0xe1);
    assertEquals(toHex(bytes.slice(-5)), "7f 60 60 63 63");
    const peer = new Connection(role, { extensions: ends() });
    const frame: FrameInit = {
      opcode: 1,
      reserved: [1, 1, 0],
      payload: hex("7f 60 60 63 63"),
    };
    assertEquals(received(peer, wire(role, frame)), [event("text", "ab")]);
  });

  for (const delivery of DELIVERIES) {
    const options = (...extensions: Extension[]): Options => ({
      delivery,
      extensions,
      opcodes: { own: 3 },
    });

    Deno.test(`a ${role} decodes what is an extension's and nothing else, by ${delivery}`, () => {
      const bytes = wire(
        role,
        // "Hi" and "Ho" with each character XOR 1
        { opcode: 1, reserved: RSV2, payload: utf8("Ih") },
        { opcode: 2, reserved: [0, 1, 1], payload: utf8("In") },
        { opcode: 1, payload: utf8("plain") },
        { opcode: 3, reserved: RSV2, payload: utf8("") },
        { opcode: 9, payload: utf8("p") },
        { opcode: 2, payload: utf8("") },
      );
      assertEquals(eventsOf(role, () => options(new Xor(1)), bytes), [
        event("text", "Hi"),
        event("binary", utf8("Ho")),
        event("text", "plain"),
        event("own", utf8("")),
        PINGED,
        event("binary", utf8("")),
      ]);
    });

    Deno.test(`a ${role} decodes fragments with control frames between, by ${delivery}`, () => {
      const bytes = wire(
        role,
        { opcode: 1, fin: false, reserved: RSV2, payload: utf8("HHhh!") },
        PING,
        { opcode: 0, fin: false, payload: utf8("!") },
        PING,
        { opcode: 0, fin: false, payload: utf8("") },
        { opcode: 0, payload: utf8("!!??") },
        { opcode: 1, payload: utf8("aabb") },
      );
      const goesOn = (text: string, fin: boolean) =>
        event("continue", text, { fin, of: "text" });
      const seen = eventsOf(
        role,
        () => options(new Twice(), new Xor(0)),
        bytes,
      );
      const begins = event("text", "Hh", { fin: false });
      assertEquals(seen, [
        ...{
          message: [PINGED, PINGED, event("text", "Hh!!?")],
          frame: [
            begins,
            PINGED,
            goesOn("!", false),
            PINGED,
            goesOn("", false),
            goesOn("!?", true),
          ],
          chunk: [
            begins,
            PINGED,
            goesOn("!", false),
            PINGED,
            goesOn("!?", true),
          ],
        }[delivery],
        event("text", "ab"),
      ]);
    });

    Deno.test(`a ${role} tells the extension where each part stands, by ${delivery}`, () => {
      const twice = new Twice();
      const ws = new Connection(role, {
        ...options(twice),
        maxMessageBytes: 100,
      });
      const bytes = wire(
        role,
        { opcode: 2, fin: false, payload: utf8("aabb") },
        { opcode: 0, payload: utf8("c") },
      );
      const cut = bytes.length - (role === "server" ? 9 : 5);
      received(ws, bytes.slice(0, cut), bytes.slice(cut));
      const at = (frameEnd: boolean, messageEnd: boolean, budget: number) => ({
        frameEnd,
        messageEnd,
        budget,
      });
      assertEquals(twice.positions, [
        at(false, false, 100),
        at(true, false, 99),
        at(true, true, 98),
      ]);
    });

    Deno.test(`a ${role} judges text behind the extension, by ${delivery}`, () => {
      const good = hex("f0 9f 98 80");
      const doubled = (bytes: Uint8Array<ArrayBuffer>) =>
        new Uint8Array(Array.from(bytes, (byte) => [byte, byte]).flat());
      const frames = wire(
        role,
        { opcode: 1, fin: false, payload: doubled(good.slice(0, 2)) },
        { opcode: 0, payload: doubled(good.slice(2)) },
      );
      const seen = eventsOf(role, () => options(new Twice()), frames);
      assertEquals(
        seen,
        delivery === "frame"
          ? [
            event("text", "", { fin: false }),
            event("continue", "😀", { of: "text" }),
          ]
          : [event("text", "😀")],
      );
      for (const wrong of ["61 ff 62", "61 c3"]) {
        assertEquals(
          eventsOf(
            role,
            () => options(new Twice()),
            wire(role, { opcode: 1, payload: doubled(hex(wrong)) }),
          ),
          [
            ...delivery === "chunk" ? [event("text", "a", { fin: false })] : [],
            failure("utf-8", 1007),
          ],
        );
      }
    });

    for (const [name, codec] of CODECS) {
      Deno.test(`a ${role} inflates however the bytes are cut, by ${delivery} with ${name}`, () => {
        const text = "So say we all. ".repeat(90) + "ÄÖÜ😀";
        const bytes = wire(
          role,
          ...withPings(compressed(1, utf8(text), 9, codec)),
          ...compressed(2, payloadOf(3000), 1000, codec),
          { opcode: 1, payload: utf8("plain") },
          // 7.2.3.4: a final block; 7.2.3.6: nothing
          {
            opcode: 2,
            reserved: RSV1,
            payload: hex("f3 48 cd c9 c9 07 00 00"),
          },
          { opcode: 1, reserved: RSV1, payload: hex("00") },
          {
            opcode: 1,
            fin: false,
            reserved: RSV1,
            payload: hex(""),
          },
          { opcode: 0, payload: hex("00") },
          { opcode: 8 },
        );
        const seen = eventsOf(role, () => options(deflated(codec)), bytes, 20);
        if (delivery === "message") {
          assertEquals(seen.filter((one) => one.type !== "ping"), [
            event("text", text),
            event("binary", payloadOf(3000)),
            event("text", "plain"),
            event("binary", utf8("Hello")),
            event("text", ""),
            event("text", ""),
            event("close", ""),
          ]);
        }
        const said = seen.filter((one) => one.type !== "ping")
          .map(({ message }) =>
            typeof message === "string" ? utf8(message) : message
          );
        assertEquals(
          concat(...said),
          concat(
            utf8(text),
            payloadOf(3000),
            utf8("plain"),
            utf8("Hello"),
          ),
        );
        assertEquals(seen.at(-1), event("close", ""));
      });

      Deno.test(`a ${role} fails with 1007 at corrupt data however it is cut, by ${delivery} with ${name}`, () => {
        const good = concat(...compressed(2, payloadOf(2000)).map(payload));
        for (
          const [payload, before] of [
            [hex("f2 48 cd c9 c9 07 ff 00 00"), utf8("Hello")],
            // a block of a type that is not, at once and after others
            [hex("07"), utf8("")],
            [hex("f2 48 cd c9 c9 07 00 00 00 ff ff 06"), utf8("Hello")],
            // a stored block whose length does not match
            [hex("00 05 00 00 00 48"), utf8("")],
            // it ends within a block, to which the tail belongs then
            [hex("f2 48 cd c9"), utf8("Helh")],
            [hex("00 05 00 fa ff 48 65"), hex("48 65 00 00 ff")],
            [hex(""), utf8("")],
            [concat(good, hex("06")), payloadOf(2000)],
          ] as const
        ) {
          const whole = wire(
            role,
            ...inFrames(2, payload, Infinity, RSV1),
            { opcode: 1, payload: utf8("never") },
          );
          const parts = wire(role, ...inFrames(2, payload, 3, RSV1));
          for (const bytes of [whole, parts]) {
            // What came before is the same, however it is cut.
            const seen = eventsOf(
              role,
              () => options(deflated(codec)),
              bytes,
              20,
            );
            assertEquals(seen.at(-1), failure("extension", 1007));
            if (delivery === "message" || before.length === 0) {
              if (delivery !== "frame") assertEquals(seen.length, 1);
            } else if (delivery === "chunk") {
              assertEquals(seen.slice(0, -1), [
                event("binary", before, { fin: false }),
              ]);
            }
          }
        }
      });

      Deno.test(`a ${role} fails for what is wrong first, by ${delivery} with ${name}`, () => {
        // "a", a byte that is no UTF-8 and "b" in a stored block, then no block.
        const bytes = wire(role, {
          opcode: 1,
          reserved: RSV1,
          payload: hex("00 03 00 fc ff 61 ff 62 06"),
        });
        const seen = (maxMessageBytes: number) =>
          eventsOf(
            role,
            () => ({ ...options(deflated(codec)), maxMessageBytes }),
            bytes,
          );
        const a = delivery === "chunk"
          ? [event("text", "a", { fin: false })]
          : [];
        for (const limit of [2, 3, 4, Infinity]) {
          assertEquals(seen(limit), [...a, failure("utf-8", 1007)]);
        }
        assertEquals(seen(1), [...a, failure("message-limit", 1009)]);
      });
    }
  }

  Deno.test(`a ${role} fails with 1002 where a bit's extension does not want the message`, () => {
    const seen = (...frames: FrameInit[]) =>
      eventsOf(
        role,
        () => ({ extensions: [new Xor(1)] }),
        wire(role, ...frames),
      );
    // Xor wants RSV2 set.
    assertEquals(seen({ opcode: 1, reserved: [0, 0, 1] }), [
      failure("reserved-bits", 1002),
    ]);
    assertEquals(seen({ opcode: 1, reserved: [1, 1, 0] }), [
      failure("reserved-bits", 1002),
    ]);
    const { message } = failureOf(
      new Connection(role, { extensions: [new Xor(1)] }),
      wire(role, { opcode: 1, reserved: [0, 0, 1] }),
    );
    assert(message.includes("RSV3"), message);
  });

  Deno.test(`a ${role} fails with 1002 where an extension's bit is not in a first frame of data`, () => {
    for (
      const [make, reserved] of [
        [deflated, RSV1],
        [() => new Xor(1), RSV2],
        [() => new Xor(1), [0, 0, 1]],
      ] as const
    ) {
      const options = () => ({ extensions: [make()] });
      for (const opcode of [8, 9, 10]) {
        assertEquals(
          eventsOf(role, options, wire(role, { opcode, reserved })),
          [failure("reserved-bits", 1002)],
        );
      }
      for (const first of [reserved, undefined]) {
        assertEquals(
          eventsOf(
            role,
            options,
            wire(
              role,
              { opcode: 2, fin: false, reserved: first },
              { opcode: 0, reserved },
            ),
          ),
          [failure("reserved-bits", 1002)],
        );
      }
    }
  });

  Deno.test(`a ${role} fails with what an ExtensionError says, wherever it is thrown`, () => {
    for (const [where, does] of waysToThrow) {
      for (const code of [1002, 1007, 1008, 1009, 3000, 4999]) {
        const error = new ExtensionError(code, "This is why");
        const ws = new Connection(role, { extensions: [does(error)] });
        const failed = failureOf(
          ws,
          wire(role, { opcode: 2, reserved: RSV1, payload: utf8("abc") }),
        );
        assertEquals(
          [failed.rule, failed.code, failed.message],
          ["extension", code, "This is why"],
          where,
        );
        assertStrictEquals(failed.cause, error);
        assertStrictEquals(ws.summary?.failure?.cause, error);
        assertEquals(ws.nextEvent(), Information.CONNECTION_CLOSED);
        const reply = ws.reply(failed);
        assertEquals(reply.length, role === "client" ? 19 : 15);
        assertEquals(ws.state, "closed");
      }
    }
  });

  Deno.test(`a ${role} fails with 1011 at all else that is thrown, and says nothing of it`, () => {
    for (const [where, does] of waysToThrow) {
      for (
        const error of [
          new Error("secret"),
          new RangeError("secret"),
          "secret",
          undefined,
          null,
          // These codes may not be on the wire.
          ...[1004, 1005, 1006, 1015, 999, 0, 5000, NaN, 1007.5].map((code) =>
            new ExtensionError(code, "secret")
          ),
        ]
      ) {
        const ws = new Connection(role, { extensions: [does(error)] });
        const failed = failureOf(
          ws,
          wire(role, { opcode: 2, reserved: RSV1, payload: utf8("abc") }),
        );
        assertEquals(
          [failed.rule, failed.code, failed.message],
          ["extension", 1011, "An extension has failed"],
          where,
        );
        assertStrictEquals(failed.cause, error);
      }
    }
  });

  Deno.test(`a ${role} gives what came before an extension threw, by chunk alone`, () => {
    const error = new ExtensionError(1008, "No more");
    const does = extension({
      *decode(part) {
        for (const byte of part) {
          if (byte === 0x78) throw error;
          yield Uint8Array.of(byte);
        }
      },
    });
    const bytes = wire(role, {
      opcode: 1,
      reserved: RSV1,
      payload: utf8("abxc"),
    });
    for (const delivery of DELIVERIES) {
      assertEquals(
        eventsOf(role, () => ({ delivery, extensions: [does] }), bytes),
        [
          ...delivery === "chunk" ? [event("text", "ab", { fin: false })] : [],
          failure("extension", 1008),
        ],
      );
    }
  });

  Deno.test(`a ${role} takes what comes first: wrong text, or an extension that throws`, () => {
    const does = () =>
      extension({
        *decode(part) {
          yield part.slice();
          throw new ExtensionError(1008, "No more");
        },
      });
    for (
      const [payload, seen] of [
        ["61 ff", failure("utf-8", 1007)],
        ["61 62", failure("extension", 1008)],
      ] as const
    ) {
      const ws = new Connection(role, { extensions: [does()] });
      const frame = { opcode: 1, reserved: RSV1, payload: hex(payload) };
      assertEquals(received(ws, wire(role, frame)), [seen]);
    }
  });

  Deno.test(`a ${role} begins with the next frame only when a part is at its end`, () => {
    const log: string[] = [];
    const ws = new Connection(role, {
      delivery: "chunk",
      extensions: [extension({
        begin: () => {
          log.push("begin");
          return true;
        },
        *decode(part: Uint8Array) {
          for (const byte of part) {
            log.push(String.fromCharCode(byte));
            yield Uint8Array.of(byte);
          }
        },
      })],
    });
    const frame = { opcode: 1, reserved: RSV1, payload: utf8("abc") };
    ws.recv(wire(role, frame, frame));
    assertEquals(log, []);
    ws.nextEvent();
    assertEquals(log, ["begin", "a", "b"]); // one ahead
    ws.nextEvent();
    ws.nextEvent();
    assertEquals(log, ["begin", "a", "b", "c"]);
    ws.nextEvent();
    assertEquals(log.slice(4), ["begin", "a", "b"]);
  });

  Deno.test(`send() of a ${role} throws what an extension throws, and nothing was sent`, () => {
    for (const name of ["beginEncoding", "encode"] as const) {
      let isBroken = true;
      const error = new Error("Out of order");
      const ws = new Connection(role, {
        random: () => undefined,
        extensions: [extension({
          [name]: (part: Uint8Array) => {
            if (isBroken) throw error;
            return name === "encode" ? part : RSV1;
          },
        })],
      });
      const text: SendData = { type: "text", message: "a" };
      for (
        const data of [
          text,
          { ...text, fin: false },
          [{ type: "ping" }, text, { type: "close" }],
        ] as (SendData | SendData[])[] // names of the standard
      ) {
        const thrown = assertThrows(() => ws.send(data), Error);
        assertStrictEquals(thrown, error);
        assertEquals(ws.state, "open");
      }
      // No message has begun.
      assertThrows(() => ws.send({ type: "continue" }), LocalProtocolError);
      isBroken = false;
      assertEquals(ws.send(text)[0], 0xc1);
    }
  });

  Deno.test(`a ${role} closes its extensions once, whatever reading ends with`, () => {
    const close = wire(role, { opcode: 8 });
    const ends: Record<string, (ws: AnyConnection) => void> = {
      "the peer's close": (ws) => received(ws, close, null),
      "our close and the peer's": (ws) => {
        ws.send({ type: "close" });
        received(ws, close, null);
      },
      "the end of the stream": (ws) => received(ws, null, null),
      "our close and the end of the stream": (ws) => {
        ws.send({ type: "close" });
        received(ws, null);
      },
      "a broken rule": (ws) => received(ws, head(role, 0x83, 0), close, null),
      "a message over the limit": (ws) =>
        received(
          ws,
          wire(role, { opcode: 2, reserved: RSV2, payload: payloadOf(11) }),
          null,
        ),
      "wrong text": (ws) =>
        received(ws, wire(role, { opcode: 1, payload: hex("ff") }), null),
      "a bit that nobody wants": (ws) =>
        received(ws, wire(role, { opcode: 1, reserved: [0, 0, 1] }), null),
    };
    for (const [name, end] of Object.entries(ends)) {
      const both = [new Xor(1), new Twice()];
      const ws: AnyConnection = new Connection(role, {
        extensions: both,
        maxMessageBytes: 10,
      });
      received(ws, wire(role, { opcode: 1, reserved: RSV2, fin: false }));
      ws.send({ type: "text", message: "a", fin: false });
      assertEquals(both.map(({ closed }) => closed), [0, 0], name);
      if (name === "wrong text" || name.startsWith("a ")) {
        received(ws, wire(role, { opcode: 0 }));
      }
      end(ws);
      assertEquals(both.map(({ closed }) => closed), [1, 1], name);
      assertEquals(ws.nextEvent(), Information.CONNECTION_CLOSED);
      assertEquals(both.map(({ closed }) => closed), [1, 1], name);
    }
  });

  Deno.test(`a ${role} that was closed by us alone still decodes`, () => {
    const ws = new Connection(role, { extensions: [deflated()] });
    ws.send({ type: "close" });
    const hello = hex("f2 48 cd c9 c9 07 00");
    assertEquals(
      received(ws, wire(role, { opcode: 1, reserved: RSV1, payload: hello })),
      [event("text", "Hello")],
    );
  });
}

function payload(frame: FrameInit): Uint8Array {
  return frame.payload ?? new Uint8Array();
}

/** The places at which an extension may throw while it receives. */
const waysToThrow: readonly (readonly [
  where: string,
  does: (error: unknown) => Extension,
])[] = [
  ["begin", (error) =>
    extension({
      begin() {
        throw error;
      },
    })],
  ["decode", (error) =>
    extension({
      decode() {
        throw error;
      },
    })],
  ["the iterator", (error) =>
    extension({
      decode: () => ({
        [Symbol.iterator]() {
          throw error;
        },
      }),
    })],
  ["the first piece", (error) =>
    extension({
      // deno-lint-ignore require-yield
      *decode() {
        throw error;
      },
    })],
  ["between two pieces", (error) =>
    extension({
      *decode(part) {
        yield part.slice();
        throw error;
      },
    })],
];

// The limits of what comes out behind an extension.

const LIMIT = 100;

/** What a connection makes of a message, and how many bytes of it it gave. */
function judged(seen: readonly Seen[]): { given: number; code?: number } {
  let given = 0;
  for (const one of seen) {
    if ("rule" in one) return { given, code: one.code };
    if (one.type !== "ping") given += one.message.length;
  }
  return { given };
}

for (const role of ROLES) {
  for (const delivery of DELIVERIES) {
    const kinds: Record<
      string,
      [
        () => Extension,
        (message: Uint8Array<ArrayBuffer>, size: number) => FrameInit[],
      ]
    > = {
      "deflated bytes that repeat": [
        deflated,
        (message, size) => compressed(2, message.fill(0x61), size),
      ],
      "deflated bytes that do not": [
        deflated,
        (message, size) => compressed(2, message, size),
      ],
      "bytes deflated by parts": [
        () => deflated(zlibCodec),
        (message, size) => {
          const ws = new Connection("server", { extensions: [deflated()] });
          const peer = new Connection("client", {
            delivery: "frame",
            reserved: RSV1,
          });
          for (let at = 0; at < message.length; at += size) {
            const fin = at + size >= message.length;
            peer.recv(ws.send({
              type: at === 0 ? "binary" : "continue",
              message: message.slice(at, at + size),
              fin,
            }));
          }
          return drain(peer).map((one, i) => ({
            opcode: i === 0 ? 2 : 0,
            fin: !("rule" in one) && one.fin,
            reserved: i === 0 ? RSV1 : [0, 0, 0],
            payload: one.message as Uint8Array<ArrayBuffer>, // of a binary message
          }));
        },
      ],
      "bytes of the same length": [
        () => new Xor(1),
        (message, size) => inFrames(2, message, size, RSV2),
      ],
      "plain bytes beside an extension": [
        deflated,
        (message, size) => inFrames(2, message, size, [0, 0, 0]),
      ],
    };
    for (const [name, [make, frames]] of Object.entries(kinds)) {
      Deno.test(`a ${role} limits ${name} to the byte, by ${delivery}`, () => {
        for (const size of [Infinity, 30, 7, 1]) {
          for (const over of [-1, 0, 1, 2]) {
            const message = payloadOf(LIMIT + over);
            const all = withPings(frames(message, size));
            const options = () => ({
              delivery,
              extensions: [make()],
              maxMessageBytes: LIMIT,
            });
            // The message before it and the one behind it count for themselves.
            const before = inFrames(2, payloadOf(60), Infinity, [0, 0, 0]);
            const bytes = wire(role, ...before, ...all, ...before);
            const seen = eventsOf(role, options, bytes, 5);
            const { given, code } = judged(seen);
            const where = `${size} ${over}`;
            if (over <= 0) {
              assertEquals(
                [given, code],
                [120 + LIMIT + over, undefined],
                where,
              );
            } else {
              assertEquals(code, 1009, where);
              assertEquals(seen.at(-1), failure("message-limit", 1009));
              const most = name.startsWith("plain") ? 1 : 0;
              if (delivery === "chunk" && most === 0) {
                assertEquals(given, 60 + LIMIT, where);
              } else {
                assert(given >= 60 && given <= 60 + LIMIT, where);
              }
            }
          }
        }
      });
    }
  }

  Deno.test(`a ${role} says what the limit is`, () => {
    const ws = new Connection(role, {
      extensions: [new Xor(1)],
      maxMessageBytes: 10,
    });
    const { message } = failureOf(
      ws,
      wire(role, { opcode: 2, reserved: RSV2, payload: payloadOf(11) }),
    );
    assertEquals(
      message,
      "Received a message that decodes to more than 10 bytes",
    );
    const plain = failureOf(
      new Connection(role, {
        extensions: [new Xor(1)],
        maxMessageBytes: 10,
      }),
      wire(role, { opcode: 2, payload: payloadOf(11) }),
    );
    assertEquals(
      [plain.rule, plain.code],
      ["message-limit", 1009],
    );
    assert(plain.message.includes("the limit is 10"), plain.message);
  });

  Deno.test(`a ${role} limits what is between two extensions`, () => {
    // Twice halves what is inflated: nothing is lost and nothing is let through.
    const options = { maxMessageBytes: 4096 };
    const ends = () => [new Twice(), deflated()];
    for (const [length, good] of [[6000, true], [6144, true], [6146, false]]) {
      const frames = compressed(2, new Uint8Array(Number(length)), 5);
      const bytes = wire(role, ...frames);
      const seen = eventsOf(
        role,
        () => ({ ...options, extensions: ends() }),
        bytes,
        3,
      );
      assertEquals(
        seen,
        good
          ? [event("binary", new Uint8Array(Number(length) / 2))]
          : [failure("extension", 1009)],
      );
    }
  });

  Deno.test(`a ${role} leaves a part as soon as the message is over the limit`, () => {
    let made = 0;
    let isLeft = false;
    const positions: PartPosition[] = [];
    const ws = new Connection(role, {
      maxMessageBytes: 10,
      extensions: [extension({
        *decode(_, position) {
          positions.push(position);
          try {
            for (;;) {
              made++;
              yield new Uint8Array(4);
            }
          } finally {
            isLeft = true;
          }
        },
      })],
    });
    const seen = received(
      ws,
      wire(role, { opcode: 2, reserved: RSV1 }),
    );
    assertEquals(seen, [failure("message-limit", 1009)]);
    assertEquals([made, isLeft], [3, true]);
    assertEquals(positions[0].budget, 10);
  });

  Deno.test(`a ${role} fails for the limit where leaving a part fails too`, () => {
    const pieces = {
      next: () => ({ value: new Uint8Array(11), done: false }),
      return() {
        throw new Error("not even that");
      },
    };
    const ws = new Connection(role, {
      maxMessageBytes: 10,
      extensions: [extension({
        decode: () => ({ [Symbol.iterator]: () => pieces }),
      })],
    });
    const seen = received(ws, wire(role, { opcode: 2, reserved: RSV1 }));
    assertEquals(seen, [failure("message-limit", 1009)]);
  });

  Deno.test(`a ${role} leaves a part that gives what is no bytes`, () => {
    let isLeft = false;
    const ws = new Connection(role, {
      extensions: [extension({
        *decode(part) {
          try {
            yield part;
            yield "text" as unknown as Uint8Array<ArrayBuffer>; // untyped
          } finally {
            isLeft = true;
          }
        },
      })],
    });
    const frame = { opcode: 2, reserved: RSV1, payload: hex("01") };
    const seen = received(ws, wire(role, frame));
    assertEquals(seen, [failure("extension", 1011)]);
    assert(isLeft);
  });

  Deno.test(`a ${role} asks nothing of its extensions for control frames, nor once they are closed`, () => {
    const asked: string[] = [];
    const names = ["beginEncoding", "encode", "save", "abandon", "sharedKey"];
    const spy = extension(Object.fromEntries(names.map((name) => [name, () => {
      asked.push(name);
      throw new Error("nothing was to be asked");
    }])));
    const make = () => new Connection(role, { extensions: [spy] });
    const pong = [{ type: "pong", message: "a" }, { type: "ping" }] as const;
    const ws = make();
    assertEquals(ws.send(pong[0]).length > 0, true);
    assertEquals(ws.send(pong).length > 0, true);
    for (
      const frame of [
        { opcode: 9, payload: hex("01") },
        { opcode: 8, payload: hex("03 e8") },
        { opcode: 3 }, // which breaks a rule
      ]
    ) {
      const ws = make();
      ws.recv(wire(role, frame));
      const event = ws.nextEvent();
      assert(typeof event === "object");
      assert(ws.reply(event).length > 0);
      if (frame.opcode !== 9) assertEquals(ws.state, "closed");
    }
    const left = make();
    left.recv(wire(role, { opcode: 8 }));
    left.nextEvent();
    assert(left.send({ type: "close", statusCode: 1000 }).length > 0);
    assertEquals(left.state, "closed");
    assertEquals(asked, []);
  });

  Deno.test(`a ${role} is not to be used while an extension is at work on it`, () => {
    const ping = wire(role, { opcode: 9, payload: hex("61") });
    const seen: Seen[] = [];
    let asked = 0;
    /** What an extension does where it should not. */
    const misuse = () => {
      asked++;
      for (
        const use of [
          () => ws.nextEvent(),
          () => [...ws.events()],
          () => ws.send({ type: "text", message: "b" }),
          () => ws.send([{ type: "ping" }]),
          () => ws.send({ type: "close" }),
        ]
      ) {
        assertThrows(
          use,
          LocalProtocolError,
          "while an extension is at work on the connection",
        );
      }
      assertEquals(ws.reply(pinged), hex(""));
    };
    const ws: Connection = new Connection(role, {
      random: (bytes) => bytes.fill(0),
      extensions: [extension({
        begin() {
          misuse();
          return true;
        },
        gathers() {
          misuse();
          return true;
        },
        *decode(part, { messageEnd }) {
          misuse();
          yield part;
          misuse();
          if (!messageEnd) throw new Error("The stream has ended");
        },
        save: misuse,
        beginEncoding() {
          misuse();
          return RSV1;
        },
        encode(part) {
          misuse();
          return part;
        },
        sharedKey() {
          misuse();
          return "key";
        },
      })],
    });
    ws.recv(ping);
    const [pinged] = ws.events();
    assertEquals(asked, 0);
    const frame = { opcode: 2, reserved: RSV1, payload: hex("01 02") };
    seen.push(...received(ws, wire(role, frame)));
    assertEquals(asked, 4); // begin, gathers, decode at either end
    asked = 0;
    const text: SendData = { type: "text", message: "a" };
    const alone = ws.send(text);
    assertEquals(asked, 3); // save, beginEncoding, encode
    asked = 0;
    assertEquals(ws.send([text, { type: "ping" }]).length > 0, true);
    assertEquals(asked, 3);
    asked = 0;
    if (role === "server") {
      const { length } = ws.send(new PreparedMessage(text));
      assertEquals([length, asked], [alone.length, 4]); // and sharedKey
    }
    // Between its works it is as ever.
    assert(ws.reply(pinged).length > 0);
    assertEquals(seen, [event("binary", hex("01 02"))]);
    // What is gathered of a frame is looked at when the stream ends.
    ws.recv(wire(role, frame).subarray(0, -1));
    ws.nextEvent();
    ws.recv(null);
    asked = 0;
    const failed = ws.nextEvent();
    assert(typeof failed === "object" && failed.type === "fail");
    assertEquals([failed.rule, asked], ["extension", 2]);
  });

  Deno.test(`send() of a ${role} begins anew after an extension could not save`, () => {
    let isBroken = true;
    const ws = new Connection(role, {
      extensions: [extension({
        save() {
          if (isBroken) throw new Error("no memory");
        },
      })],
    });
    const text: SendData = { type: "text", message: "a" };
    assertThrows(() => ws.send({ ...text, fin: false }), Error, "no memory");
    assertThrows(() => ws.send(text), Error, "no memory");
    isBroken = false;
    assertThrows(() => ws.send({ type: "continue" }), LocalProtocolError);
    assertEquals(ws.send(text)[0], 0xc1);
  });

  Deno.test(`a ${role} sends each text of a list, though extensions give it back as it is`, () => {
    const ws = new Connection(role, { extensions: [extension()] });
    const peer = new Connection(other(role), { extensions: [extension()] });
    const list = ["abc", "xyz", "", "ü"];
    peer.recv(ws.send(list.map((message) => ({ type: "text", message }))));
    assertEquals(drain(peer), list.map((text) => event("text", text)));
  });

  Deno.test(`a ${role} sends its own text, whatever an extension sends elsewhere`, () => {
    const elsewhere = new Connection("server", { extensions: [extension()] });
    const message = "the secret of another connection";
    const chatter = () => elsewhere.send({ type: "text", message });
    const ws = new Connection(role, {
      random: (bytes) => bytes.fill(0),
      extensions: [extension({
        beginEncoding() {
          chatter();
          return RSV1;
        },
        encode(part) {
          chatter();
          return part;
        },
      })],
    });
    const peer = new Connection(other(role), { extensions: [extension()] });
    const texts = ["hello", "", "grüße", "x".repeat(20_000)];
    for (const text of texts) {
      peer.recv(ws.send({ type: "text", message: text }));
    }
    assertEquals(drain(peer), texts.map((text) => event("text", text)));
  });

  Deno.test(`a ${role} limits frames as they are on the wire`, () => {
    const ws = new Connection(role, {
      extensions: [deflated()],
      maxMessageBytes: 1000,
    });
    assertEquals(received(ws, head(role, 0xc2, 0x7e, 0x08, 0xe2)), []);
    const over = new Connection(role, {
      extensions: [deflated()],
      maxMessageBytes: 1000,
    });
    assertEquals(received(over, head(role, 0xc2, 0x7e, 0x08, 0xe3)), [
      failure("frame-limit", 1009),
    ]);
  });

  Deno.test(`an echo of compressed messages brings back the same from a ${role}`, () => {
    for (const [, codec] of CODECS) {
      const ws = new Connection(role, { extensions: [deflated(codec)] });
      const peer = new Connection(role === "client" ? "server" : "client", {
        extensions: [deflated(codec)],
      });
      const messages = [0, 1, 60, 125, 1000, 20_000, 100_000].flatMap((
        length,
      ) => [payloadOf(length), "é".repeat(length)]);
      for (const message of messages) {
        const type = typeof message === "string" ? "text" : "binary";
        peer.recv(ws.send({ type, message }).slice());
        for (const one of peer.events()) {
          assertInstanceOf(one, Object);
          ws.recv(peer.send(one as SendData).slice()); // a message, as it was sent
        }
        assertEquals(drain(ws), [event(type, message)]);
      }
    }
  });
}

/** What comes of two fragments, byte by byte. */
const FRAGMENTS = ["09", "0a", "0b", "0c", "0d", "0e", "0f", "10."];

/** A toy that wants frames of 4 bytes and more as one, and the parts that it saw. */
function gathering(does: Partial<Extension> = {}) {
  const parts: string[] = [];
  const asked: number[][] = [];
  const toy = extension({
    gathers(length, budget) {
      asked.push([length, budget]);
      return length >= 4;
    },
    decode(part, { messageEnd }) {
      parts.push(`${toHex(part)}${messageEnd ? "." : ""}`);
      return [part.slice()];
    },
    ...does,
  });
  return { toy, parts, asked };
}

for (const role of ROLES) {
  const options = (toy: Extension, delivery: Delivery): Options => ({
    extensions: [toy],
    delivery,
    maxMessageBytes: 100,
  });
  const frames = concat(
    wire(role, { opcode: 2, reserved: RSV1, payload: hex("010203") }),
    wire(role, { opcode: 2, reserved: RSV1, payload: hex("0405060708") }),
    // Of fragments, it cannot be known whether all will be there.
    wire(role, {
      opcode: 2,
      reserved: RSV1,
      fin: false,
      payload: hex("090a0b0c"),
    }),
    wire(role, { opcode: 9 }),
    wire(role, { opcode: 0, payload: hex("0d0e0f10") }),
  );

  Deno.test(`a ${role} gathers the messages that an extension wants as one, and no others`, () => {
    const { toy, parts, asked } = gathering();
    const ws = new Connection(role, options(toy, "message"));
    const seen: Seen[] = [];
    for (const byte of frames) {
      ws.recv(new Uint8Array([byte]));
      seen.push(...drain(ws));
    }
    assertEquals(parts, ["01", "02", "03.", "04 05 06 07 08.", ...FRAGMENTS]);
    assertEquals(asked, [[3, 100], [5, 100]]);
    assertEquals(
      seen.map(({ type }) => type),
      ["binary", "binary", "ping", "binary"],
    );
    assertEquals(
      eventsOf(role, () => options(gathering().toy, "message"), frames),
      seen,
    );
    // What lies in one chunk is not copied.
    const whole = gathering();
    const other = new Connection(role, options(whole.toy, "message"));
    other.recv(frames.slice());
    assertEquals(drain(other), seen);
    assertEquals(
      whole.parts,
      ["01 02 03.", "04 05 06 07 08.", "09 0a 0b 0c", "0d 0e 0f 10."],
    );
  });

  Deno.test(`a ${role} gathers nothing where parts are delivered`, () => {
    for (const delivery of ["frame", "chunk"] as const) {
      const { toy, parts, asked } = gathering();
      const ws = new Connection(role, options(toy, delivery));
      for (const byte of frames) {
        ws.recv(new Uint8Array([byte]));
        drain(ws);
      }
      assertEquals(asked, []);
      assert(parts.includes("04") && parts.includes("05"), `${parts}`);
    }
  });

  Deno.test(`a ${role} looks into a gathered frame when the stream ends within it`, () => {
    const cut = wire(role, {
      opcode: 1,
      reserved: RSV1,
      payload: hex("61ff6263"),
    })
      .slice(0, -1);
    // The text is wrong, and the extension may find it so too.
    const refusing = () =>
      gathering({
        decode: () => {
          throw new ExtensionError(1008, "No");
        },
      }).toy;
    const toys = [[() => gathering().toy, 1007], [refusing, 1008]] as const;
    for (const [make, code] of toys) {
      const seen = sameHoweverCut(cut, (feed) => {
        const ws = new Connection(role, options(make(), "message"));
        const seen: Seen[] = [];
        feed((chunk) => {
          ws.recv(chunk);
          seen.push(...drain(ws));
        });
        ws.recv(null);
        return [...seen, ...drain(ws)];
      });
      assertEquals(seen.map((one) => "code" in one && one.code), [code]);
    }
    // What is right is cut off, all the same.
    const ws = new Connection(role, options(gathering().toy, "message"));
    ws.recv(
      wire(role, { opcode: 1, reserved: RSV1, payload: hex("61626364") }).slice(
        0,
        -1,
      ),
    );
    ws.recv(null);
    assertEquals(drain(ws).map((one) => "code" in one && one.code), [1006]);
  });

  Deno.test(`a ${role} fails where an extension throws as it is asked, or there is no room to gather`, () => {
    const thrown = gathering({
      gathers() {
        throw new ExtensionError(1008, "No");
      },
    });
    assertEquals(
      failureOf(
        new Connection(role, options(thrown.toy, "message")),
        frames.slice(),
      ).code,
      1008,
    );
    const { toy } = gathering();
    const ws = new Connection(role, { extensions: [toy] });
    const payload = new Uint8Array(100_000);
    const bytes = wire(role, { opcode: 2, reserved: RSV1, payload });
    const failed = watchAllocations(
      (size) => {
        if (size > 65_536) {
          throw new RangeError("Array buffer allocation failed");
        }
      },
      () => failureOf(ws, bytes.slice(0, 70_000)),
    );
    assertEquals([failed.rule, failed.code], ["message-limit", 1009]);
    assertEquals(
      failed.message,
      "Received a message of 100000 bytes: more than can be held",
    );
  });
}

Deno.test("zlibCodec decompresses a message that arrives in parts as one, with its context", () => {
  const deflate = () => permessageDeflate({ codec: zlibCodec }).accept([]);
  const [sender, ...receivers] = ["client", "server", "server", "server"]
    .map((role) =>
      new Connection(role as "client" | "server", {
        extensions: [deflate()],
        maxMessageBytes: 8_000_000,
      })
    );
  for (let i = 0; i < 4; i++) {
    const message = Array.from(
      { length: 4000 },
      (_, k) => `{"id":${k * 7919 % 9973},"round":${i}}`,
    ).join();
    const bytes = sender.send({ type: "text", message });
    for (const [k, size] of [100, 4096, Infinity].entries()) {
      const seen: Seen[] = [];
      for (let at = 0; at < bytes.length; at += size) {
        receivers[k].recv(bytes.slice(at, at + size));
        seen.push(...drain(receivers[k]));
      }
      assertEquals(seen.length, 1);
      assert("message" in seen[0] && seen[0].message === message);
    }
  }
});

for (const role of ROLES) {
  Deno.test(`send() of a ${role} goes on with a compressed message after a list that could not be sent`, () => {
    const ws = new Connection(role, { extensions: [deflated()] });
    const peer = new Connection(other(role), { extensions: [deflated()] });
    const first = "hello ".repeat(20);
    peer.recv(ws.send({ type: "text", message: first, fin: false }));
    const huge = new Uint8Array(2 ** 30);
    const list: SendData[] = [
      { type: "continue", message: "end" },
      // More than any memory has room for.
      ...Array.from({ length: 2 ** 14 }, (): SendData => (
        { type: "binary", message: huge, compress: false }
      )),
    ];
    assertThrows(() => ws.send(list), RangeError);
    peer.recv(ws.send({ type: "continue", message: "the real end" }));
    assertEquals(drain(peer), [event("text", `${first}the real end`)]);
  });

  Deno.test(`a ${role} fails with 1011 where an extension gives no bytes, and refuses to send them`, () => {
    const frame = wire(role, { opcode: 2, reserved: RSV1, payload: hex("01") });
    const pieces: unknown[] = ["abc", 5, [1], new ArrayBuffer(4), undefined];
    for (const piece of pieces) {
      const toy = extension({
        decode: () => [piece] as Iterable<Uint8Array<ArrayBuffer>>, // untyped
        encode: () => piece as Uint8Array,
      });
      const ws = new Connection(role, { extensions: [toy] });
      assertThrows(
        () => ws.send({ type: "text", message: "a" }),
        TypeError,
        "An extension has encoded to what is not a Uint8Array",
      );
      const failed = failureOf(ws, frame.slice());
      assertEquals([failed.rule, failed.code], ["extension", 1011]);
    }
  });
}

Deno.test("an extension with a state within the message goes back to where a send began", () => {
  /** Ends each message with a byte that is the sum of all before it. */
  const summing = () => {
    let [sum, saved, seen] = [0, 0, 0];
    return extension({
      beginEncoding() {
        sum = 0;
        return RSV1;
      },
      encode(part, fin) {
        for (const byte of part) sum += byte;
        return fin ? concat(part, new Uint8Array([sum])) : part;
      },
      save: () => saved = sum,
      abandon: () => sum = saved,
      begin() {
        seen = 0;
        return true;
      },
      decode(part, { messageEnd }) {
        const end = part.length - (messageEnd ? 1 : 0);
        for (const byte of part.subarray(0, end)) seen += byte;
        if (messageEnd && part[end] !== (seen & 0xff)) {
          throw new ExtensionError(1007, "The sum is wrong");
        }
        return [part.subarray(0, end)];
      },
    });
  };
  let isBroken = false;
  const none: Reserved = [0, 0, 0];
  const broken = extension({
    reserved: none,
    encode(part) {
      if (isBroken && part.includes(3)) throw new Error("not a three");
      return part;
    },
  });
  const ws = new Connection("server", { extensions: [summing(), broken] });
  const peer = new Connection("client", { extensions: [summing()] });
  const bytes = (...list: number[]) => new Uint8Array(list);
  const more = (fin: boolean, ...list: number[]): SendData => (
    { type: "continue", message: bytes(...list), fin }
  );
  peer.recv(ws.send({ type: "binary", message: bytes(1), fin: false }));
  isBroken = true;
  assertThrows(
    () => ws.send([more(false, 2), more(false, 3)]),
    Error,
    "not a three",
  );
  isBroken = false;
  peer.recv(ws.send(more(true, 4)));
  assertEquals(drain(peer), [event("binary", bytes(1, 4))]);
});

Deno.test("send() throws why nothing was sent, though an extension cannot abandon it", () => {
  let isBroken = false;
  const chain = (isSender: boolean) => [
    extension({
      reserved: RSV2,
      abandon() {
        throw new Error("stuck");
      },
    }),
    deflated(),
    extension({
      reserved: [0, 0, 1],
      encode(part) {
        if (isSender && isBroken) throw new Error("the reason");
        return part;
      },
    }),
  ];
  const ws = new Connection("server", { extensions: chain(true) });
  const peer = new Connection("client", { extensions: chain(false) });
  const message = "what was said is said again, and not again".repeat(3);
  for (const broken of [false, true, false]) {
    isBroken = broken;
    const send = () => ws.send({ type: "text", message });
    if (broken) assertThrows(send, Error, "the reason");
    else peer.recv(send());
  }
  assertEquals(drain(peer), [event("text", message), event("text", message)]);
});

Deno.test("send() that fails behind an extension leaves the peer able to read on", () => {
  const factory = permessageDeflate({ threshold: 0 });
  const answer = factory.answer([]);
  assert(answer !== undefined);
  let fails = false;
  const client = new Connection("client", {
    extensions: [factory.accept([])],
    random(bytes) {
      if (fails) throw new Error("no randomness");
      bytes.fill(7);
    },
  });
  const server = new Connection("server", { extensions: [answer.extension] });

  const said: string[] = [];
  for (let i = 0; i < 40; i++) {
    const message = `this is the message with the number ${i}`;
    fails = i % 3 === 1;
    try {
      server.recv(client.send({ type: "text", message }));
      said.push(message);
    } catch (error) {
      assert(error instanceof Error && error.message === "no randomness");
    }
  }
  assertEquals(Array.from(server.events(), ({ message }) => message), said);
  assert(said.length < 40);
});

Deno.test("an extension that cannot close keeps neither the event nor the others", () => {
  const other = new Twice();
  class Stuck extends Twice {
    override close(): void {
      throw new Error("stuck");
    }
  }
  const ws = new Connection("server", { extensions: [new Stuck(), other] });
  ws.recv(null);
  const event = ws.nextEvent();
  assert(typeof event === "object" && event.type === "fail");
  assertEquals(other.closed, 1);
});

Deno.test("what an extension is at is stopped when the text turns out wrong", () => {
  const log: string[] = [];
  const fail = () => {
    throw new Error("not even that");
  };
  class Slow extends Twice {
    override *decode(part: Uint8Array<ArrayBuffer>) {
      try {
        for (const byte of part) yield new Uint8Array([byte]);
      } finally {
        log.push("cleaned up");
        // It must not matter that this fails too.
        fail();
      }
    }
  }
  const ws = new Connection("client", { extensions: [new Slow()] });
  ws.recv(new Uint8Array([0x81, 4, 0xff, 0x61, 0x61, 0x61]));
  const event = ws.nextEvent();
  assert(typeof event === "object" && event.type === "fail");
  assertEquals(event.rule, "utf-8");
  assertEquals(log, ["cleaned up"]);
});
