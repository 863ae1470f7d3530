// How much waits to be written, at most, to a peer that does not read.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { Output } from "../../examples/output.ts";
import type { Transport } from "../../examples/transport.ts";
import { concat, payloadOf, utf8 } from "../helpers/bytes.ts";
import { turn } from "../handshake/clock.ts";

/** A peer that reads as the test says; what it has read. */
function slowPeer() {
  const taken: Uint8Array[] = [];
  let gate = Promise.withResolvers<void>();
  const transport: Transport = {
    read: () => Promise.resolve(null),
    async write(bytes, onProgress) {
      await gate.promise;
      taken.push(bytes);
      onProgress?.(bytes.length);
    },
    closeWrite: () => Promise.resolve(),
    close: () => {},
  };
  return {
    transport,
    taken: () => concat(...taken),
    /** Reads what is there, and what is written later. */
    read: () => gate.resolve(),
    /** Reads what is being written, and no more. */
    readOnce() {
      gate.resolve();
      gate = Promise.withResolvers();
    },
    fail: (error: Error) => gate.reject(error),
  };
}

/** Whether a promise is settled by now. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  const settle = () => void (settled = true);
  promise.then(settle, settle);
  await turn();
  return settled;
}

/** What 100 bytes say that are the answer to a ping with this number. */
function pong(number: number) {
  return utf8(`${number}`.padStart(100, "0"));
}

Deno.test("Output.write() waits from 65,536 unwritten bytes on, until fewer are left", async () => {
  const peer = slowPeer();
  const output = new Output(peer.transport);
  assert(await isSettled(output.write(payloadOf(65_536))));
  const waiting = [output.write(payloadOf(1)), output.write(payloadOf(65_536))];
  assert(!await isSettled(Promise.race(waiting)));
  assertEquals(output.unwritten, 131_073);
  peer.readOnce();
  await turn();
  assertEquals(output.unwritten, 65_537);
  assert(!await isSettled(Promise.race(waiting)));
  peer.readOnce();
  assert(await isSettled(Promise.all(waiting)));
  assertEquals(output.unwritten, 65_536);
  peer.read();
  await output.flushed();
  assertEquals([output.total, output.written], [131_073, 131_073]);
  assertEquals(
    peer.taken(),
    concat(payloadOf(65_536), payloadOf(1), payloadOf(65_536)),
  );
});

Deno.test("Output.pong() keeps all pongs up to 16,384 unwritten bytes, in order, and from then on the latest", async () => {
  const peer = slowPeer();
  const output = new Output(peer.transport);
  for (let i = 0; i < 10_000; i++) {
    output.pong(pong(i));
    // The last one that is let in is the one that goes beyond.
    assert(output.unwritten <= 16_400, `${output.unwritten} after ${i}`);
  }
  await turn();
  assertEquals(output.unwritten, 16_400);
  peer.read();
  await output.flushed();
  const kept = Array.from({ length: 164 }, (_, i) => pong(i));
  assertEquals(peer.taken(), concat(...kept, pong(9_999)));

  // There is room again.
  output.pong(pong(1));
  output.pong(pong(2));
  await output.flushed();
  assertEquals(
    peer.taken(),
    concat(...kept, pong(9_999), pong(1), pong(2)),
  );
});

Deno.test("Output.pong() counts what else is unwritten, and stays behind it", async () => {
  const peer = slowPeer();
  const output = new Output(peer.transport);
  output.push(payloadOf(16_385));
  output.pong(pong(1));
  output.pong(pong(2));
  output.push(payloadOf(3));
  assertEquals(output.unwritten, 16_388);
  peer.read();
  await output.flushed();
  assertEquals(
    peer.taken(),
    concat(payloadOf(16_385), payloadOf(3), pong(2)),
  );
});

Deno.test("Output keeps nothing when writing has failed, says so once, and takes nothing any more", async () => {
  const peer = slowPeer();
  const failures: unknown[] = [];
  const output = new Output(
    peer.transport,
    undefined,
    (error) => failures.push(error),
  );
  const waiting = output.write(payloadOf(100_000));
  output.pong(pong(1));
  await turn();
  const cut = new Error("cut");
  peer.fail(cut);
  assertEquals(await assertRejects(() => waiting, Error), cut);
  await output.flushed();
  output.push(payloadOf(10));
  output.pong(pong(2));
  const late = await assertRejects(() => output.write(payloadOf(10)), Error);
  assertEquals(late, cut);
  assertEquals(output.unwritten, 0);
  assertEquals(failures, [cut]);
  assertEquals(peer.taken().length, 0);
});
