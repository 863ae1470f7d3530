// What the fuzzer checks (`fuzz.ts`), on inputs that are always the same: any
// bytes, right streams, and right streams with one thing changed.

import { assert, assertEquals } from "@std/assert";
import { Connection } from "../../src/connection/connection.ts";
import { received } from "../helpers/events.ts";
import { Dice, join, mutate, shorten } from "./dice.ts";
import { modelEvents } from "./model.ts";
import {
  ALL_TARGETS,
  anyInput,
  type Input,
  type Target,
  tryInput,
} from "./targets.ts";
import { anySetup, anyTraffic, optionsOf, type Setup } from "./traffic.ts";

const SEED = Number(Deno.env.get("NOIO_SEED") ?? 6455);

const COUNTS: Readonly<Record<Target, number>> = {
  connection: 4000,
  extensions: 1500,
  deflater: 1000,
  decoder: 3000,
  request: 1500,
  response: 1500,
  field: 4000,
};

for (const target of ALL_TARGETS) {
  Deno.test(`${COUNTS[target]} inputs for "${target}" show nothing wrong`, () => {
    for (let index = 0; index < COUNTS[target]; index++) {
      const what = tryInput(anyInput(new Dice(SEED, index), target));
      assert(what === undefined, `input ${index} of seed ${SEED}: ${what}`);
    }
  });
}

for (const extensions of [false, true]) {
  Deno.test(`one thing changed leaves the events before it as they were, ${extensions ? "with" : "without"} extensions`, () => {
    for (let index = 0; index < 1500; index++) {
      const dice = new Dice(SEED, index);
      const delivery = dice.of(["message", "frame"] as const);
      const setup = { ...anySetup(dice, extensions), delivery };
      const stream = anyTraffic(dice, setup, false);
      const { bytes, at } = mutate(dice, stream);
      const before = eventsOf(setup, stream.subarray(0, at));
      for (const changed of [stream, bytes]) {
        const events = eventsOf(setup, changed);
        assertEquals(events.slice(0, before.length), before);
      }
    }
  });
}

function eventsOf(setup: Setup, bytes: Uint8Array) {
  return received(new Connection(setup.role, optionsOf(setup)), bytes);
}

Deno.test("Dice give the same for the same seed and index, and else not", () => {
  const rolls = (seed: number, index: number) => {
    const dice = new Dice(seed, index);
    return Array.from({ length: 8 }, () => dice.next());
  };
  assertEquals(rolls(1, 2), rolls(1, 2));
  const starts = [[1, 2], [2, 1], [1, 3], [0, 0], [0, 2 ** 33], [0, 1]];
  const all = starts.flatMap(([seed, index]) => rolls(seed, index));
  assertEquals(new Set(all).size, all.length);
});

Deno.test("Dice.below() gives each number about as often", () => {
  const counts = new Array<number>(10).fill(0);
  const dice = new Dice(SEED, 0);
  for (let i = 0; i < 10_000; i++) counts[dice.below(10)]++;
  for (const count of counts) assert(count > 850 && count < 1150, `${counts}`);
});

Deno.test("mutate() changes one thing, and nothing before it", () => {
  const kinds = new Set<string>();
  for (let index = 0; index < 500; index++) {
    const dice = new Dice(SEED, index);
    const stream = dice.bytes(dice.below(30));
    const copy = stream.slice();
    const { bytes, how, at } = mutate(dice, stream);
    kinds.add(how);
    assertEquals(stream, copy);
    assertEquals(bytes.subarray(0, at), stream.subarray(0, at));
  }
  assertEquals(kinds.size, 7);
});

Deno.test("shorten() leaves what it takes to fail", () => {
  const bytes = join(
    new Uint8Array(100),
    Uint8Array.of(7, 8),
    new Uint8Array(50),
  );
  const fails = (some: Uint8Array) => some.includes(7) && some.includes(8);
  assertEquals(shorten(bytes, fails), Uint8Array.of(7, 8));
});

Deno.test("tryInput() says what is wrong, and with how little", () => {
  const input: Input = {
    target: "connection",
    setting: "a setting",
    bytes: Uint8Array.of(1, 2, 3, 4),
    check(bytes) {
      if (bytes.includes(3)) throw new TypeError("three");
    },
  };
  const what = tryInput(input) ?? "";
  assert(what.startsWith("connection, a setting\n  1 of 4 bytes: 03\n"), what);
  assert(what.includes("TypeError: three"), what);
});

Deno.test("the streams are as they should be, and reach all rules and types", () => {
  // Lest the checks be true only because everything fails at once.
  const seen = new Map<string, number>();
  for (let index = 0; index < 4000; index++) {
    const dice = new Dice(SEED, index);
    const setup = anySetup(dice, false);
    const nearly = dice.once(2);
    for (const event of modelEvents(setup, anyTraffic(dice, setup, nearly))) {
      const name = "rule" in event ? event.rule : event.type;
      seen.set(name, (seen.get(name) ?? 0) + 1);
    }
  }
  const wanted = [
    ...["text", "binary", "own", "continue", "ping", "pong", "time", "close"],
    ...["reserved-bits", "opcode", "fragmented-control", "unfinished-message"],
    ...["unexpected-continuation", "masked-frame", "unmasked-frame", "utf-8"],
    ...["control-length", "length-form", "frame-limit", "message-limit"],
    ...["close-length", "close-code", "end-of-stream"],
  ];
  const rare = wanted.filter((name) => (seen.get(name) ?? 0) < 10);
  assertEquals(rare, []);
});
