// What an event is: its fields, its types, and that it can be sent on.
import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  type AnyConnection,
  Connection,
} from "../../src/connection/connection.ts";
import type {
  NoReserved,
  ReceivedEvent,
  SendData,
  TextMessage,
} from "../../src/connection/event.ts";
import type { Delivery } from "../../src/connection/options.ts";
import type { FrameInit, Reserved } from "../../src/framing/frame.ts";
import type { CustomOpcodes } from "../../src/framing/opcode.ts";
import { Information } from "../../src/information.ts";
import { concat, hex, masked, utf8 } from "../helpers/bytes.ts";
import { KEY, other, ROLES, wire } from "../helpers/events.ts";

/** Whether two types are the same: assigned to a variable, it must type-check. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends
  (<T>() => T extends B ? 1 : 2) ? true : false;

/** The fields of each event but a failure, in the order in which they are made. */
const FIELDS = ["type", "message", "fin", "reserved", "statusCode", "of"];

const OWN = {
  opcodes: { ascii: 3, time: 11 },
  reserved: [1, 0, 1],
} as const;

/** The end of the message whose first frame has bits. */
const LAST = utf8("d");

/** A frame of each kind, fragments among them. */
const FRAMES: readonly FrameInit[] = [
  { opcode: 1, payload: utf8("h\u00e9llo") },
  { opcode: 1, fin: false, payload: utf8("a") },
  { opcode: 9, payload: hex("01 02") },
  { opcode: 0, fin: false },
  { opcode: 0, payload: utf8("b") },
  { opcode: 2, payload: hex("00 ff") },
  { opcode: 2, fin: false, payload: hex("07") },
  { opcode: 0, payload: hex("08") },
  { opcode: 10 },
  { opcode: 3, fin: false, payload: utf8("c"), reserved: [1, 0, 1] },
  { opcode: 11, payload: utf8("noon"), reserved: [0, 0, 1] },
  { opcode: 0, payload: LAST },
  { opcode: 1, payload: hex("ff"), reserved: [1, 0, 0] },
  { opcode: 8, payload: concat(hex("03 e9"), utf8("bye")) },
];

for (const role of ROLES) {
  for (const delivery of ["message", "frame", "chunk"] as const) {
    Deno.test(`each event of a ${role} has the same fields in the same order, by ${delivery}`, () => {
      const ws = new Connection(role, { ...OWN, delivery });
      ws.recv(wire(role, ...FRAMES));
      const events = [...ws.events()];
      assert(events.length >= 10);
      for (const event of events) assertEquals(Object.keys(event), FIELDS);
    });
  }

  Deno.test(`each event of a ${role} can be sent on by another and gives the same bytes`, () => {
    for (const delivery of ["message", "frame", "chunk"] as const) {
      const ws = new Connection(role, { ...OWN, delivery });
      // In whole messages, what was fragmented is not any more.
      const frames = delivery === "message"
        ? FRAMES.filter(({ opcode, fin }) => opcode !== 0 && fin !== false)
        // An empty part of a message is nothing that has arrived.
        : delivery === "chunk"
        ? FRAMES.filter((_, i) => i !== 3)
        : FRAMES;
      const onward = new Connection(other(role), {
        ...OWN,
        random: (bytes) => {
          for (let i = 0; i < bytes.length; i++) bytes[i] = KEY[i % 4];
        },
      });
      ws.recv(wire(role, ...frames));
      const sent: Uint8Array[] = [];
      for (const event of ws.events()) {
        assert(event.type !== "fail");
        sent.push(onward.send(event));
      }
      // In chunk delivery the bits of a message are those of all so far.
      const expected = delivery === "chunk"
        ? frames.map((frame) =>
          frame.payload === LAST ? { ...frame, reserved: OWN.reserved } : frame
        )
        : frames;
      assertEquals(concat(...sent), wire(role, ...expected));
    }
  });

  Deno.test(`a close without a code is forwarded by a ${role} without one`, () => {
    const ws = new Connection(role);
    ws.recv(wire(role, { opcode: 8 }));
    const event = ws.nextEvent();
    assert(typeof event === "object" && event.type === "close");
    assertEquals([event.statusCode, event.message], [undefined, ""]);
    const bytes = new Connection("server").send(event);
    assertEquals(bytes, hex("88 00"));
  });

  Deno.test(`a failure of a ${role} is no data to send`, () => {
    const ws = new Connection(role);
    ws.recv(null);
    const event = ws.nextEvent();
    assert(typeof event === "object" && event.type === "fail");
    const onward = new Connection(role);
    // @ts-expect-error "fail" is no type of what can be sent
    assertThrows(() => onward.send(event), TypeError, 'Cannot send "fail"');
  });
}

Deno.test("events of a connection without options have the standard types", () => {
  const ws = new Connection("client");
  ws.recv(hex("81 01 61"));
  const event = ws.nextEvent();
  assert(typeof event === "object");
  const same: Same<
    typeof event["type"],
    "text" | "binary" | "continue" | "ping" | "pong" | "close" | "fail"
  > = true;
  assert(same);
  // @ts-expect-error no such type
  assertEquals(event.type === "ascii", false);
  assert(event.type === "text");
  const text: string = event.message;
  assertEquals(text, "a");
});

Deno.test("the names of opcodes become part of the types of events", () => {
  const ws = new Connection("client", OWN);
  ws.recv(hex("83 01 61 8b 01 62"));
  const data = ws.nextEvent();
  assert(typeof data === "object");
  // @ts-expect-error no such type
  assertEquals(data.type === "asci", false);
  assert(data.type === "ascii");
  const bytes: Uint8Array<ArrayBuffer> = data.message;
  const dataFin: Same<typeof data["fin"], boolean> = true;
  assertEquals([bytes, dataFin], [utf8("a"), true]);

  const control = ws.nextEvent();
  assert(typeof control === "object");
  assert(control.type === "time");
  // A control frame is always whole.
  const controlFin: Same<typeof control["fin"], true> = true;
  assertEquals([control.message, controlFin], [utf8("b"), true]);
});

Deno.test("a `continue` says of what kind of message it is, by type and by value", () => {
  const ws = new Connection("client", { ...OWN, delivery: "frame" });
  ws.recv(hex("03 01 61 80 01 62"));
  ws.nextEvent();
  const event = ws.nextEvent();
  assert(typeof event === "object" && event.type === "continue");
  const same: Same<typeof event["of"], "text" | "binary" | "ascii"> = true;
  assert(same);
  assertEquals(event.of, "ascii");
  // @ts-expect-error a control frame is never continued
  assertEquals(event.of === "time", false);
});

Deno.test("the names of opcodes become part of the types of what is sent", () => {
  const ws = new Connection("server", OWN);
  assertEquals(ws.send({ type: "ascii", message: "a" }), hex("83 01 61"));
  assertEquals(ws.send({ type: "time", message: "b" }), hex("8b 01 62"));
  assertThrows(
    // @ts-expect-error no such name
    () => ws.send({ type: "asci" }),
    TypeError,
    'Cannot send "asci": no opcode has this name',
  );
  assertThrows(
    // @ts-expect-error no such name
    () => ws.send([{ type: "asci" }]),
    TypeError,
  );
  const plain = new Connection("server");
  // @ts-expect-error not registered with this one
  assertThrows(() => plain.send({ type: "ascii" }), TypeError);
});

Deno.test("opcodes that are not free do not type-check", () => {
  // @ts-expect-error 1 is text
  assertThrows(() => new Connection("server", { opcodes: { own: 1 } }));
  // @ts-expect-error 16 is none
  assertThrows(() => new Connection("server", { opcodes: { own: 16 } }));
  // @ts-expect-error a role is one of two
  assertThrows(() => new Connection("peer"));
  assertThrows(
    // @ts-expect-error a delivery is one of three
    () => new Connection("server", { delivery: "whole" }),
    TypeError,
  );
});

Deno.test("text is typed as bytes too only where bits are claimed", () => {
  const none: Same<TextMessage<NoReserved>, string> = true;
  const some: Same<
    TextMessage<readonly [1, 0, 0]>,
    string | Uint8Array<ArrayBuffer>
  > = true;
  const any: Same<TextMessage<Reserved>, string | Uint8Array<ArrayBuffer>> =
    true;
  assert(none && some && any);

  const ws = new Connection("client", { reserved: [1, 0, 0] });
  ws.recv(hex("81 01 61 c1 01 62"));
  const plain = ws.nextEvent();
  assert(typeof plain === "object" && plain.type === "text");
  // @ts-expect-error it may be bytes
  const text: string = plain.message;
  assertEquals(text, "a");
  const marked = ws.nextEvent();
  assert(typeof marked === "object" && marked.type === "text");
  assert(typeof marked.message !== "string");
  assertEquals(marked.message, utf8("b"));
});

Deno.test("any connection is assignable to AnyConnection", () => {
  const connections: AnyConnection[] = [
    new Connection("client"),
    new Connection("server", { delivery: "chunk", maxMessageBytes: 1 }),
    new Connection("server", { reserved: [1, 1, 1] }),
    new Connection("client", { opcodes: { ascii: 3 } }),
    new Connection("client", OWN),
  ];
  for (const ws of connections) {
    const bytes = ws.send({ type: "text", message: "a" });
    const peer: AnyConnection = new Connection(other(ws.role));
    peer.recv(bytes);
    const event = peer.nextEvent();
    assert(typeof event === "object" && event.type === "text");
    assertEquals(event.message, "a");
    assertEquals(peer.reply(event), new Uint8Array(0));
    assertEquals([peer.state, peer.summary], ["open", undefined]);
    assertEquals([...peer.events()], []);
  }
});

Deno.test("opcodes that are known only at run time make names of any kind", () => {
  const opcodes: CustomOpcodes = { ascii: 3 };
  const delivery: Delivery = "message";
  const ws = new Connection("server", { opcodes, delivery });
  const data: SendData<CustomOpcodes> = { type: "ascii", message: "a" };
  assertEquals(ws.send(data), hex("83 01 61"));
  ws.recv(hex("83 81 00 00 00 00 61"));
  const event = ws.nextEvent();
  assert(typeof event === "object" && event.type === "ascii");
});

Deno.test("nextEvent() gives an event or information, told apart by `typeof`", () => {
  const ws = new Connection("client");
  const answer = ws.nextEvent();
  const same: Same<typeof answer, ReceivedEvent | Information> = true;
  assert(same);
  assertEquals(answer, Information.NEED_DATA);
});

Deno.test("the reserved bits of an event are one of eight frozen tuples", () => {
  for (let bits = 0; bits < 8; bits++) {
    const reserved = [bits >> 2 & 1, bits >> 1 & 1, bits & 1];
    const ws = new Connection("client", { reserved: [1, 1, 1] });
    ws.recv(Uint8Array.of(0x82 | bits << 4, 0, 0x89 | bits << 4, 0));
    const [data, ping] = ws.events();
    assert(data.type === "binary" && ping.type === "ping");
    assertEquals<readonly number[]>(data.reserved, reserved);
    assert(Object.isFrozen(data.reserved));
    // The same object each time: nothing is made for it.
    assert(data.reserved === ping.reserved);
  }
});

Deno.test("a masked event that is forwarded by a client is masked afresh", () => {
  const server = new Connection("server");
  server.recv(wire("server", { opcode: 2, payload: hex("01 02 03") }));
  const event = server.nextEvent();
  assert(typeof event === "object" && event.type === "binary");
  const bytes = new Connection("client").send(event);
  assertEquals(bytes.subarray(0, 2), hex("82 83"));
  assertEquals(
    masked(bytes.subarray(6), bytes.subarray(2, 6)),
    hex("01 02 03"),
  );
  // The event itself is as it was.
  assertEquals(event.message, hex("01 02 03"));
});
