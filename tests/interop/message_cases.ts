// Messages, whole and in fragments, and the pings between them.

import { assert, assertEquals } from "@std/assert";
import { concat } from "@std/bytes";
import type { ReceivedEvent, SendData } from "../../mod.ts";
import { payloadOf, utf8 } from "../helpers/bytes.ts";
import { assertSame, textOf } from "./helpers.ts";
import {
  assertGets,
  assertGetsControl,
  type Case,
  closeOurs,
  dataOf,
  echo,
  nextMessage,
  type Stage,
} from "./stage.ts";

const TEXTS: readonly (readonly [name: string, text: string])[] = [
  ["ASCII", "hello, world"],
  ["empty text", ""],
  ["Latin, Greek, Cyrillic", "Grüße, Καλημέρα, привет"],
  ["right to left", "שלום, مرحبا"],
  ["Indic and East Asian", "नमस्ते, สวัสดี, 你好, こんにちは, 안녕하세요"],
  ["emoji", "👩‍👩‍👧‍👦 🏳️‍🌈 🇪🇺 👍🏽 😀"],
  ["combining", "Zäöå̈̊ ñ n\u0303"],
  ["controls", "\0\u0001\t\r\n\u007f\u0080\u009f"],
  ["byte order marks", "\ufeffa\ufeff"],
  ["replacement and non-characters", "\ufffd\ufffe\uffff\u{10ffff}"],
  ["JSON", '{"a":["\\u0000",1e9]}'],
];

const LENGTHS = [0, 1, 125, 126, 127, 65_535, 65_536, 5_000_000];

/** The data of a fragmented message. */
function fragments(
  type: "text" | "binary",
  parts: readonly (string | Uint8Array)[],
): SendData[] {
  return parts.map((message, index) => ({
    type: index === 0 ? type : "continue",
    message,
    fin: index === parts.length - 1,
  }));
}

/** Asserts that a fragmented text of the peer comes in parts, and is whole. */
async function assertParts(
  stage: Stage,
  parts: readonly string[],
): Promise<void> {
  const ends = await stage.open();
  ends.theirs.sendFragments(parts);
  const seen: ReceivedEvent[] = [];
  let text = "";
  for (;;) {
    const event = await ends.ours.next();
    assert(event?.type === "text" || event?.type === "continue");
    assert(typeof event.message === "string");
    seen.push(event);
    text += event.message;
    if (event.fin) break;
  }
  assertSame(text, parts.join(""), "the text");
  assert(seen.length >= parts.length, `there were ${seen.length} parts`);
  assertEquals(seen[0].type, "text");
  for (const event of seen.slice(1)) {
    assert(event.type === "continue");
    assertEquals(event.of, "text");
  }
  await closeOurs(ends);
}

/** The cases. */
export const MESSAGE_CASES: readonly Case[] = [
  ["texts are echoed as they are", {}, async (stage) => {
    const ends = await stage.open();
    for (const [name, text] of TEXTS) {
      stage.scope.at = name;
      await echo(ends, text);
    }
    await closeOurs(ends);
  }],

  ["bytes are echoed as they are", {}, async (stage) => {
    const ends = await stage.open();
    await echo(ends, new Uint8Array(0));
    await echo(ends, Uint8Array.from({ length: 256 }, (_, index) => index));
    await echo(ends, Uint8Array.of(0xed, 0xa0, 0x80));
    await closeOurs(ends);
  }],

  ["payloads of all forms of length are echoed", {}, async (stage) => {
    const ends = await stage.open();
    for (const length of LENGTHS) {
      stage.scope.at = `${length} bytes`;
      await echo(ends, payloadOf(length));
      stage.scope.at = `a text of ${length} bytes`;
      await echo(ends, textOf(length));
    }
    await closeOurs(ends);
  }],

  ["many messages in one write keep their order", {}, async (stage) => {
    const ends = await stage.open();
    const messages = Array.from(
      { length: 400 },
      (_, index) => index % 3 === 0 ? textOf(index * 5) : payloadOf(index * 5),
    );
    const received = (async () => {
      for (const [index, message] of messages.entries()) {
        assertSame(await nextMessage(ends.ours), message, `echo ${index}`);
      }
    })();
    const echoed = (async () => {
      for (const message of messages) {
        await assertGets(ends.theirs, message);
        ends.theirs.send(message);
      }
    })();
    await Promise.all([ends.ours.send(messages.map(dataOf)), echoed, received]);
    await closeOurs(ends);
  }],

  ["the fragments that we send are one message", {}, async (stage) => {
    const ends = await stage.open();
    const { ours, theirs } = ends;
    const text = "Grüße 👋 an alle";
    const ping = utf8("between");

    stage.scope.at = "text, cut in the middle of characters";
    const cuts = [...utf8(text)].map((byte) => Uint8Array.of(byte));
    await ours.send(fragments("text", cuts));
    await assertGets(theirs, text);

    stage.scope.at = "text, with empty fragments first and last";
    await ours.send(fragments("text", ["", "a", "", "b", ""]));
    await assertGets(theirs, "ab");

    stage.scope.at = "nothing but empty fragments";
    await ours.send(fragments("text", ["", "", ""]));
    await assertGets(theirs, "");

    stage.scope.at = "bytes, of several writes, with pings between them";
    const parts = [
      payloadOf(70_000),
      payloadOf(126),
      payloadOf(0),
      payloadOf(3),
    ];
    for (const data of fragments("binary", parts)) {
      await ours.send(data);
      if (data.fin) break;
      await ours.send({ type: "ping", message: ping });
      assertSame((await ours.expect("pong")).message, ping, "the pong");
      await assertGetsControl(theirs, "ping", ping);
    }
    await assertGets(theirs, concat(parts));
    await closeOurs(ends);
  }],

  ["the fragments that the peer sends are one message", {}, async (stage) => {
    const ends = await stage.open();
    const { ours, theirs } = ends;
    const parts = ["Grüße ", "", "👋", " an alle"];
    const blobs = [
      payloadOf(70_000),
      payloadOf(0),
      payloadOf(126),
      payloadOf(1),
    ];

    stage.scope.at = "text";
    theirs.sendFragments(parts);
    assertSame((await ours.expect("text")).message, parts.join(""), "the text");

    stage.scope.at = "bytes";
    theirs.sendFragments(blobs);
    assertSame(
      (await ours.expect("binary")).message,
      concat(blobs),
      "the bytes",
    );

    stage.scope.at = "text with pings between the fragments";
    theirs.sendFragments(parts, "p");
    for (let index = 0; index < parts.length - 1; index++) {
      const ping = await ours.expect("ping");
      assertEquals(ping.message, utf8(`p${index}`));
    }
    assertSame((await ours.expect("text")).message, parts.join(""), "the text");
    for (let index = 0; index < parts.length - 1; index++) {
      await assertGetsControl(theirs, "pong", utf8(`p${index}`));
    }
    await closeOurs(ends);
  }],

  [
    "the peer's fragments are seen one by one where frames are delivered",
    { connection: { delivery: "frame" } },
    (stage) => assertParts(stage, ["Grüße ", "👋", " an alle"]),
  ],

  [
    "the peer's fragments are seen in part where chunks are delivered",
    { connection: { delivery: "chunk" } },
    (stage) => assertParts(stage, ["Grüße ", textOf(300_000), "👋"]),
  ],

  ["our pings are answered", {}, async (stage) => {
    const ends = await stage.open();
    const { ours, theirs } = ends;
    for (const payload of [payloadOf(0), utf8("ping"), payloadOf(125)]) {
      stage.scope.at = `a ping of ${payload.length}`;
      await ours.send({ type: "ping", message: payload });
      assertSame((await ours.expect("pong")).message, payload, "the pong");
      await assertGetsControl(theirs, "ping", payload);
    }
    stage.scope.at = "a pong that was not asked for";
    await ours.send({ type: "pong", message: "unasked" });
    await ours.send({ type: "text", message: "after it" });
    let event = await theirs.next();
    if (event.type === "pong") event = await theirs.next(); // not every peer tells
    assertEquals(event, { type: "text", message: "after it" });
    await closeOurs(ends);
  }],

  ["the peer's pings are answered", {}, async (stage) => {
    const ends = await stage.open();
    const { ours, theirs } = ends;
    for (const payload of [payloadOf(0), utf8("ping"), payloadOf(125)]) {
      stage.scope.at = `a ping of ${payload.length}`;
      theirs.ping(payload);
      assertSame((await ours.expect("ping")).message, payload, "the ping");
      await assertGetsControl(theirs, "pong", payload);
    }
    stage.scope.at = "a pong that was not asked for";
    theirs.pong(utf8("unasked"));
    assertEquals((await ours.expect("pong")).message, utf8("unasked"));
    await closeOurs(ends);
  }],
];
