// The parts of data messages to events: whole, by frames, by chunks.
import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  End,
  type MadeEvent,
  makeEvent,
  MessageReader,
} from "../../src/connection/message.ts";
import type { Delivery } from "../../src/connection/options.ts";
import { Gather } from "../../src/framing/gather.ts";
import { RESERVED } from "../../src/framing/frame.ts";
import { hex, utf8 } from "../helpers/bytes.ts";
import { event } from "../helpers/events.ts";

const DELIVERIES: readonly Delivery[] = ["message", "frame", "chunk"];

/** A part of a message: its bytes, and what ends with it. */
type Part = readonly [bytes: Uint8Array<ArrayBuffer>, end: End];

/** Takes parts as they lie in a larger chunk. */
function take(reader: MessageReader, [bytes, end]: Part) {
  const chunk = new Uint8Array(bytes.length + 4);
  chunk.set(bytes, 3);
  const rest = end === End.NONE ? 1 : 0;
  const to = 3 + bytes.length;
  return reader.take(chunk, 3, to, rest, end === End.MESSAGE, end);
}

/** The events of one message. */
function eventsOf(
  reader: MessageReader,
  type: string,
  ...parts: Part[]
): (MadeEvent | undefined)[] {
  reader.begin(type, type === "text");
  return parts.map((part) => take(reader, part));
}

/** Runs some work with a method replaced. */
function withMethod(
  prototype: object,
  name: string,
  method: () => unknown,
  work: () => void,
): void {
  const original = Object.getOwnPropertyDescriptor(prototype, name);
  assert(original !== undefined);
  Object.defineProperty(prototype, name, { ...original, value: method });
  try {
    work();
  } finally {
    Object.defineProperty(prototype, name, original);
  }
}

const { NONE, FRAME, MESSAGE } = End;

Deno.test("makeEvent() gives all fields in one order, the bits as a tuple", () => {
  const made = makeEvent("text", "a", true, 6);
  assertEquals(made, event("text", "a", { reserved: [1, 1, 0] }));
  assert(made.reserved === RESERVED[6]);
  assertEquals(
    Object.keys(made),
    ["type", "message", "fin", "reserved", "statusCode", "of"],
  );
  assertEquals(
    makeEvent("continue", "a", false, 0, 1000, "text"),
    event("continue", "a", { fin: false, statusCode: 1000, of: "text" }),
  );
});

for (const delivery of DELIVERIES) {
  const chunks = delivery === "chunk";

  Deno.test(`giveText() gives a text at once by ${delivery}`, () => {
    const reader = new MessageReader(delivery);
    assertEquals(
      reader.giveText("text", 4, utf8("..Hello.."), 2, 7),
      event("text", "Hello", { reserved: [1, 0, 0] }),
    );
    assertEquals([reader.isUnderWay, reader.failure], [false, undefined]);
  });

  Deno.test(`giveText() fails where text is not UTF-8, after what is by ${delivery}`, () => {
    const reader = new MessageReader(delivery);
    const bytes = hex("61 62 ff 63");
    assertEquals(
      reader.giveText("text", 1, bytes, 0, 4),
      chunks
        ? event("text", "ab", { fin: false, reserved: [0, 0, 1] })
        : undefined,
    );
    assertEquals(reader.failure?.rule, "utf-8");
    assertEquals(reader.failure?.code, 1007);
  });

  for (const type of ["text", "binary"]) {
    const given = type === "text" ? (text: string) => text : utf8;
    const begins = (text: string, fin: boolean) =>
      event(type, given(text), { fin });
    const goesOn = (text: string, fin: boolean) =>
      event("continue", given(text), { fin, of: type });

    Deno.test(`take() gives parts of ${type} by ${delivery}`, () => {
      const reader = new MessageReader(delivery);
      for (const _ of ["once", "and again"]) {
        const seen = eventsOf(
          reader,
          type,
          [utf8("ab"), NONE],
          [utf8("cd"), FRAME],
          [utf8("ef"), FRAME],
          [utf8(""), FRAME],
          [utf8("gh"), MESSAGE],
        );
        assertEquals(
          seen,
          {
            message: [
              ...new Array(4).fill(undefined),
              begins("abcdefgh", true),
            ],
            frame: [
              undefined,
              begins("abcd", false),
              goesOn("ef", false),
              goesOn("", false),
              goesOn("gh", true),
            ],
            chunk: [
              begins("ab", false),
              goesOn("cd", false),
              goesOn("ef", false),
              undefined,
              goesOn("gh", true),
            ],
          }[delivery],
        );
        assertEquals(reader.isUnderWay, false);
      }
    });

    Deno.test(`take() gives an empty ${type} by ${delivery}`, () => {
      const reader = new MessageReader(delivery);
      assertEquals(
        eventsOf(reader, type, [utf8(""), MESSAGE]),
        [begins("", true)],
      );
      assertEquals(
        eventsOf(reader, type, [utf8(""), FRAME], [utf8(""), MESSAGE]),
        delivery === "frame"
          ? [begins("", false), goesOn("", true)]
          : [undefined, begins("", true)],
      );
    });

    Deno.test(`take() gives the bits that are set when a part of ${type} is given by ${delivery}`, () => {
      const reader = new MessageReader(delivery);
      reader.begin(type, type === "text");
      assertEquals(reader.isUnderWay, true);
      reader.bits = 4;
      const first = take(reader, [utf8("a"), FRAME]);
      reader.bits = 5;
      const second = take(reader, [utf8("b"), MESSAGE]);
      assertEquals(
        [first?.reserved, second?.reserved],
        [delivery === "message" ? undefined : [1, 0, 0], [1, 0, 1]],
      );
    });

    Deno.test(`take() fails with 1009 where there is no room for ${type} by ${delivery}`, () => {
      if (chunks) return; // nothing is kept
      const reader = new MessageReader(delivery);
      withMethod(Gather.prototype, "append", () => {
        throw new RangeError("Array buffer allocation failed");
      }, () => {
        assertEquals(eventsOf(reader, type, [utf8("abc"), NONE]), [undefined]);
      });
      assertEquals(reader.failure, {
        rule: "message-limit",
        code: 1009,
        message: "Received a message of 4 bytes: more than can be held",
      });
    });

    Deno.test(`take() does not hide a mistake with ${type} by ${delivery}`, () => {
      if (chunks) return;
      const reader = new MessageReader(delivery);
      withMethod(Gather.prototype, "append", () => {
        throw new TypeError("a mistake");
      }, () => {
        assertThrows(
          () => eventsOf(reader, type, [utf8("abc"), NONE]),
          TypeError,
          "a mistake",
        );
      });
    });
  }

  Deno.test(`take() never ends a text inside a code point by ${delivery}`, () => {
    const reader = new MessageReader(delivery);
    const seen = eventsOf(
      reader,
      "text",
      [hex("61 f0"), FRAME],
      [hex("9f"), FRAME],
      [hex("98"), NONE],
      [hex("80 62"), FRAME],
      [hex("c3"), FRAME],
      [hex("a9"), MESSAGE],
    );
    const goesOn = (text: string, fin = false) =>
      event("continue", text, { fin, of: "text" });
    assertEquals(
      seen,
      {
        message: [...new Array(5).fill(undefined), event("text", "a😀bé")],
        frame: [
          event("text", "a", { fin: false }),
          goesOn(""),
          undefined,
          goesOn("😀b"),
          goesOn(""),
          goesOn("é", true),
        ],
        chunk: [
          event("text", "a", { fin: false }),
          undefined,
          undefined,
          goesOn("😀b"),
          undefined,
          goesOn("é", true),
        ],
      }[delivery],
    );
  });

  Deno.test(`take() fails at the first byte of a text that is wrong by ${delivery}`, () => {
    for (
      const parts of [
        [[hex("61 ff 62"), NONE]],
        [[hex("61"), NONE], [hex("ff"), NONE]],
        [[hex("61"), NONE], [hex("ff"), MESSAGE]],
        [[hex("61 ff"), MESSAGE]],
        // It ends inside a code point.
        [[hex("61 e2 82"), MESSAGE]],
        [[hex("61 e2 82"), NONE], [hex(""), MESSAGE]],
        [[hex("61 e2"), NONE], [hex("82"), MESSAGE]],
      ] as Part[][] // a list of lists of pairs, not of what is in them
    ) {
      const reader = new MessageReader(delivery);
      const seen = eventsOf(reader, "text", ...parts)
        .filter((made) => made !== undefined);
      assertEquals(
        seen,
        chunks ? [event("text", "a", { fin: false })] : [],
      );
      assertEquals(reader.failure?.rule, "utf-8");
      assertEquals(reader.failure?.code, 1007);
    }
  });

  Deno.test(`take() fails with 1009 where a text is longer than a string can be by ${delivery}`, () => {
    for (const part of [MESSAGE, FRAME]) {
      if (part === FRAME && delivery === "message") continue;
      const reader = new MessageReader(delivery);
      withMethod(TextDecoder.prototype, "decode", () => {
        throw new TypeError("buffer exceeds maximum length");
      }, () => {
        const text = utf8("x".repeat(64));
        assertEquals(eventsOf(reader, "text", [text, part]), [undefined]);
      });
      assertEquals(reader.failure?.code, 1009);
      assert(reader.failure?.message.includes("64 bytes"));
    }
  });

  Deno.test(`clear() lets go of what is held by ${delivery}`, () => {
    const reader = new MessageReader(delivery);
    eventsOf(reader, "text", [hex("61 f0"), NONE]);
    reader.clear();
    reader.begin("binary", false);
    assertEquals(
      take(reader, [utf8("a"), MESSAGE]),
      event("binary", utf8("a")),
    );
  });
}
