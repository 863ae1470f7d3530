// How connections end.

import { assertEquals } from "@std/assert";
import { payloadOf } from "../helpers/bytes.ts";
import { assertClean, assertSame } from "./helpers.ts";
import {
  assertEnds,
  assertGets,
  type Case,
  closeOurs,
  closeTheirs,
  dataOf,
  nextMessage,
} from "./stage.ts";

const CLOSES: readonly (readonly [code: number | undefined, reason: string])[] =
  [
    [1000, ""],
    [1000, "done"],
    [1001, "going away, 行ってきます 👋"],
    [3000, "of a library"],
    [4999, "x".repeat(123)],
    [undefined, ""],
  ];

/** The cases. */
export const CLOSE_CASES: readonly Case[] = [
  ["we close, and both know why", {}, async (stage) => {
    for (const [code, reason] of CLOSES) {
      stage.scope.at = `code ${code}, reason "${reason}"`;
      await closeOurs(await stage.open(), code, reason);
    }
  }],

  ["the peer closes, and both know why", {}, async (stage) => {
    for (const [code, reason] of CLOSES) {
      stage.scope.at = `code ${code}, reason "${reason}"`;
      await closeTheirs(await stage.open(), code, reason);
    }
  }],

  ["both close at once, and both know why", {}, async (stage) => {
    const { ours, theirs } = await stage.open();
    theirs.close(3001, "theirs");
    await ours.hold(); // it has arrived, and we close before we look
    await ours.send({ type: "close", statusCode: 3002, message: "ours" });
    const summary = await ours.finish();
    const sent = { statusCode: 3002, message: "ours" };
    assertClean(summary, "us", sent, { statusCode: 3001, message: "theirs" });
    await assertEnds(theirs, 3002, "ours");
  }],

  ["what was sent before a close arrives before it", {}, async (stage) => {
    stage.scope.at = "we close";
    const first = await stage.open();
    const message = payloadOf(300_000);
    const wrote = first.ours.send([dataOf(message), {
      type: "close",
      statusCode: 1000,
    }]);
    await assertGets(first.theirs, message);
    await wrote;
    const close = { statusCode: 1000, message: "" };
    assertClean(await first.ours.finish(), "us", close, close);
    await assertEnds(first.theirs, 1000, "");

    stage.scope.at = "the peer closes";
    const second = await stage.open();
    second.theirs.send(message);
    second.theirs.close(1000, "");
    assertSame(await nextMessage(second.ours), message, "the last message");
    assertClean(await second.ours.finish(), "peer", close, close);
    await assertEnds(second.theirs, 1000, "");
  }],

  ["the peer vanishes, and we say so", {}, async (stage) => {
    const { ours, theirs } = await stage.open();
    theirs.abort();
    const summary = await ours.finish();
    assertEquals(summary.clean, false);
    assertEquals(summary.failure?.rule, "end-of-stream");
    assertEquals(summary.failure?.code, 1006);
    assertEquals([summary.sent, summary.received], [null, null]);
  }],

  ["we vanish, and the peer says so", {}, async (stage) => {
    const { ours, theirs } = await stage.open();
    ours.close();
    await assertEnds(theirs, 1006, "");
  }],
];
