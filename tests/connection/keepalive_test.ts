import { assertEquals, assertThrows } from "@std/assert";
import { Keepalive } from "../../src/connection/keepalive.ts";

const options = { interval: 1000, timeout: 300 };

Deno.test("Keepalive.check() waits, pings once and gives up as silence goes on", () => {
  const keepalive = new Keepalive(50, options);
  assertEquals(keepalive.check(50), "wait");
  assertEquals(keepalive.check(1049), "wait");
  assertEquals(keepalive.check(1050), "ping");
  assertEquals(keepalive.check(1050), "wait");
  assertEquals(keepalive.check(1349), "wait");
  assertEquals(keepalive.check(1350), "give-up");
  assertEquals(keepalive.check(1350), "give-up");
});

Deno.test("Keepalive.check() pings before it gives up, however late it is asked", () => {
  const keepalive = new Keepalive(0, options);
  assertEquals(keepalive.check(1_000_000), "ping");
  assertEquals(keepalive.check(1_000_299), "wait");
  assertEquals(keepalive.check(1_000_300), "give-up");
});

Deno.test("Keepalive.deadline is when check() says something else than to wait", () => {
  const keepalive = new Keepalive(0, options);
  assertEquals(keepalive.deadline, 1000);
  keepalive.received(400);
  assertEquals(keepalive.deadline, 1400);
  assertEquals(keepalive.check(1450), "ping");
  assertEquals(keepalive.deadline, 1750);
});

Deno.test("Keepalive.received() begins the silence anew, before a ping and after", () => {
  const keepalive = new Keepalive(0, options);
  keepalive.received(999);
  assertEquals(keepalive.check(1998), "wait");
  assertEquals(keepalive.check(1999), "ping");
  keepalive.received(2298);
  assertEquals(keepalive.check(2299), "wait");
  assertEquals(keepalive.deadline, 3298);
  assertEquals(keepalive.check(3298), "ping");
});

Deno.test("Keepalive.written() puts off giving up, and nothing else", () => {
  const keepalive = new Keepalive(0, options);
  keepalive.written(500); // nothing waits for an answer
  assertEquals(keepalive.deadline, 1000);
  assertEquals(keepalive.check(1000), "ping");
  keepalive.written(1200);
  assertEquals(keepalive.check(1499), "wait");
  assertEquals(keepalive.check(1500), "give-up");
  keepalive.received(1501);
  keepalive.written(1600);
  assertEquals(keepalive.deadline, 2501);
});

Deno.test("Keepalive has defaults of 30 s and 10 s", () => {
  const keepalive = new Keepalive(0);
  assertEquals(keepalive.deadline, 30_000);
  assertEquals(keepalive.check(30_000), "ping");
  assertEquals(keepalive.deadline, 40_000);
});

Deno.test("Keepalive never pings or never gives up where that is Infinity", () => {
  const silent = new Keepalive(0, { interval: Infinity });
  assertEquals(silent.deadline, Infinity);
  assertEquals(silent.check(Number.MAX_VALUE), "wait");
  const patient = new Keepalive(0, { interval: 1, timeout: Infinity });
  assertEquals(patient.check(1), "ping");
  assertEquals(patient.deadline, Infinity);
  assertEquals(patient.check(Number.MAX_VALUE), "wait");
});

Deno.test("Keepalive throws on durations that are none", () => {
  for (const value of [0, -1, NaN, -Infinity]) {
    assertThrows(
      () => new Keepalive(0, { interval: value }),
      RangeError,
      `Cannot use ${value} as \`interval\`: a number above 0 is needed`,
    );
    assertThrows(
      () => new Keepalive(0, { timeout: value }),
      RangeError,
      `Cannot use ${value} as \`timeout\`: a number above 0 is needed`,
    );
  }
});
