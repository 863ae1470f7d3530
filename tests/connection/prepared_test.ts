import {
  assert,
  assertEquals,
  assertNotStrictEquals,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import {
  Connection,
  type Extension,
  LocalProtocolError,
  PreparedMessage,
} from "@noio/ws";
import { permessageDeflate } from "@noio/ws/permessage-deflate";
import { hex } from "../helpers/bytes.ts";
import { Twice } from "../helpers/extensions.ts";

/** A server with the extension that a factory gives for an offer. */
function compressing(
  factory: ReturnType<typeof permessageDeflate>,
  offer: [string, string | null][] = [],
): Connection {
  const answer = factory.answer(offer);
  const extensions: Extension[] = answer === undefined
    ? []
    : [answer.extension];
  return new Connection("server", { extensions });
}

const TEXT = "many words, and many words again ".repeat(8);

Deno.test("PreparedMessage is encoded as send() encodes it, and shared", () => {
  const hello = new PreparedMessage({ type: "text", message: "Hello" });
  const one = new Connection("server").send(hello);
  const other = new Connection("server").send(hello);
  assertEquals(one, hex("81 05 48 65 6c 6c 6f"));
  assertStrictEquals(one, other);
});

Deno.test("PreparedMessage does not change with what it was made of", () => {
  for (
    const [bytes, message] of [
      [new Uint8Array([1, 2]), undefined],
      [new Uint8Array([1, 2]), "view"],
      [new Uint8Array([1, 2]), "buffer"],
    ] as const
  ) {
    const data = message === "buffer"
      ? bytes.buffer
      : message === "view"
      ? new DataView(bytes.buffer)
      : bytes;
    const prepared = new PreparedMessage({ type: "binary", message: data });
    bytes.fill(9);
    assertEquals(
      new Connection("server").send(prepared),
      hex("82 02 01 02"),
    );
  }
});

Deno.test("PreparedMessage may be without a payload", () => {
  const ping = new PreparedMessage({ type: "ping" });
  assertEquals(new Connection("server").send(ping), hex("89 00"));
  assertEquals(new Connection("server").send(ping), hex("89 00"));
});

Deno.test("PreparedMessage of an opcode of one's own is encoded once per opcode", () => {
  const prepared = new PreparedMessage<{ ascii: 3 }>({
    type: "ascii",
    message: "a",
  });
  const threes = [1, 2].map(() =>
    new Connection("server", { opcodes: { ascii: 3 } }).send(prepared)
  );
  assertEquals(threes[0], hex("83 01 61"));
  assertStrictEquals(threes[0], threes[1]);
  const four = new Connection("server", { opcodes: { ascii: 4 } });
  // To register it as another number is a mistake that the types see.
  assertEquals(four.send({ type: "ascii", message: "a" }), hex("84 01 61"));
});

Deno.test("PreparedMessage in a list is sent like any other", () => {
  const ws = new Connection("server");
  const prepared = new PreparedMessage({ type: "text", message: "a" });
  assertEquals(
    ws.send([prepared, { type: "text", message: "b" }, prepared]),
    hex("81 01 61 81 01 62 81 01 61"),
  );
});

Deno.test("PreparedMessage throws a RangeError at a client", () => {
  const prepared = new PreparedMessage({ type: "text", message: "a" });
  assertThrows(
    () => new Connection("client").send(prepared),
    RangeError,
    "Cannot send a prepared message as a client",
  );
});

Deno.test("PreparedMessage throws a TypeError for what is no whole message", () => {
  for (
    const data of [
      { type: "close" },
      { type: "continue" },
      { type: "text", fin: false },
    ] as const
  ) {
    assertThrows(
      () => new PreparedMessage(data),
      TypeError,
      `Cannot prepare "${data.type}"`,
    );
  }
  assertThrows(
    () =>
      // deno-lint-ignore no-explicit-any -- what the types forbid
      new PreparedMessage({ type: "text", reserved: [2, 0, 0] as any }),
    TypeError,
    "reserved bits",
  );
});

Deno.test("PreparedMessage is judged for each connection", () => {
  const text = new PreparedMessage({ type: "text", message: "a" });
  const ping = new PreparedMessage({ type: "ping", message: "a" });
  const marked = new PreparedMessage({
    type: "binary",
    message: "a",
    reserved: [1, 0, 0],
  });
  // Encoded once, so that what follows meets an encoding that is there.
  new Connection("server").send(text);
  new Connection("server", { reserved: [1, 0, 0] }).send(marked);

  const fragmenting = new Connection("server");
  fragmenting.send({ type: "text", message: "a", fin: false });
  assertThrows(
    () => fragmenting.send(text),
    LocalProtocolError,
    'Cannot send "text" before the fragmented message has ended',
  );
  assertEquals(fragmenting.send(ping), hex("89 01 61"));
  assertEquals(fragmenting.send(ping), hex("89 01 61"));

  const closing = new Connection("server");
  closing.send({ type: "close" });
  assertThrows(() => closing.send(text), LocalProtocolError, "closing");

  assertThrows(
    () => new Connection("server").send(marked),
    LocalProtocolError,
    "has not claimed",
  );
});

Deno.test("PreparedMessage that may not be sent is not encoded either", () => {
  const wrong = new PreparedMessage({
    type: "text",
    message: new Uint8Array([0xff]),
  });
  assertThrows(() => new Connection("server").send(wrong), TypeError, "UTF-8");
  assertThrows(() => new Connection("server").send(wrong), TypeError, "UTF-8");
});

Deno.test("PreparedMessage is shared by those who compress alike without context", () => {
  const alone = permessageDeflate({ serverNoContextTakeover: true });
  const text = new PreparedMessage({ type: "text", message: TEXT });
  const one = compressing(alone).send(text);
  assertEquals(one[0], 0xc1);
  assertStrictEquals(compressing(alone).send(text), one);

  const smaller = compressing(alone, [["server_max_window_bits", "9"]]);
  assertNotStrictEquals(smaller.send(text), one);
  const others = permessageDeflate({ serverNoContextTakeover: true, level: 1 });
  assertNotStrictEquals(compressing(others).send(text), one);
});

Deno.test("PreparedMessage is encoded for each connection that compresses with context", () => {
  const factory = permessageDeflate();
  const text = new PreparedMessage({ type: "text", message: TEXT });
  const ws = compressing(factory);
  const first = ws.send(text);
  const second = ws.send(text);
  assertEquals(second.length < first.length, true);

  const client = factory.accept([]);
  const peer = new Connection("client", { extensions: [client] });
  peer.recv(first);
  peer.recv(second);
  assertEquals(
    Array.from(peer.events(), ({ message }) => message),
    [TEXT, TEXT],
  );
});

Deno.test("PreparedMessage is shared where compression leaves it as it is", () => {
  const factory = permessageDeflate();
  for (
    const data of [
      { type: "text", message: "short" },
      { type: "binary", message: new Uint8Array(5) },
      { type: "text", message: TEXT, compress: false },
    ] as const
  ) {
    const prepared = new PreparedMessage(data);
    assertStrictEquals(
      compressing(factory).send(prepared),
      compressing(factory).send(prepared),
    );
  }
});

Deno.test("PreparedMessage is not shared through an extension that knows of no sharing", () => {
  const send = () =>
    new Connection("server", { extensions: [new Twice()] }).send(prepared);
  const prepared = new PreparedMessage({ type: "text", message: "a" });
  const [one, other] = [send(), send()];
  assertEquals(one, hex("81 02 61 61"));
  assertNotStrictEquals(one, other);
});

Deno.test("a client refuses a prepared message in a list too, and nothing is sent", () => {
  const prepared = new PreparedMessage({ type: "text", message: "hello" });
  const client = new Connection("client");
  const list = [{ type: "binary", fin: false } as const, prepared];
  assertThrows(() => client.send(list), RangeError, "masking key of its own");
  client.send({ type: "text", message: "nothing had begun" });
});

Deno.test("new PreparedMessage() refuses what is neither text nor bytes", () => {
  for (const message of [null, [1, 2], {}, new Map(), new Blob(), 5]) {
    const data = { type: "binary", message } as unknown as { type: "binary" };
    assertThrows(
      () => new PreparedMessage(data),
      TypeError,
      "its message is neither a string nor bytes",
    );
  }
});

Deno.test("new PreparedMessage() refuses memory that is shared or gone", () => {
  const shared = new Uint8Array(new SharedArrayBuffer(4));
  const gone = new ArrayBuffer(4);
  structuredClone(gone, { transfer: [gone] });
  for (
    const message of [shared, shared.buffer as unknown as ArrayBuffer, gone]
  ) {
    assertThrows(
      () => new PreparedMessage({ type: "binary", message }),
      TypeError,
      message === shared ? "Cannot send a view of shared memory" : undefined,
    );
  }
});

Deno.test("a prepared message is not written into a buffer, as its bytes are for all", () => {
  const prepared = new PreparedMessage({ type: "text", message: "hello" });
  const buffer = new Uint8Array(1000);
  const bytes = new Connection("server").send(prepared, buffer);
  assert(bytes.buffer !== buffer.buffer);
  buffer.fill(0xff);
  assertEquals(
    new Connection("server").send(prepared),
    hex("81 05 68 65 6c 6c 6f"),
  );
});
