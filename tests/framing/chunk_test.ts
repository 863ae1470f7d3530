// What may be handed to `recv`: bytes in memory that is there and not shared.
import { assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import { Buffer } from "node:buffer";
import { runInNewContext } from "node:vm";
import { checkChunk, checkMemory } from "../../src/framing/chunk.ts";

/** What the types forbid. */
function untyped(value: unknown): Uint8Array {
  return value as Uint8Array; // the very thing that is tested is a wrong type
}

function detached(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
  return bytes;
}

function shared(length: number): Uint8Array<SharedArrayBuffer> {
  return new Uint8Array(new SharedArrayBuffer(length));
}

const NOT_BYTES = "Cannot receive what is not a Uint8Array";

Deno.test("checkChunk() takes bytes, views of a part, and none", () => {
  const buffer = new ArrayBuffer(16);
  const views = [
    new Uint8Array(buffer),
    new Uint8Array(buffer, 3, 5),
    new Uint8Array(buffer, 16),
    new Uint8Array(buffer, 4, 0),
    new Uint8Array(0),
    new Uint8Array(0).subarray(0),
  ];
  for (const view of views) checkChunk(view);
  assertEquals(buffer.byteLength, 16, "checking takes nothing away");
});

Deno.test("checkChunk() takes a Buffer of Node and a subclass", () => {
  class Bytes extends Uint8Array<ArrayBuffer> {}
  checkChunk(Buffer.from("hello"));
  checkChunk(Buffer.alloc(0));
  checkChunk(new Bytes(new ArrayBuffer(3)));
});

Deno.test("checkChunk() takes bytes of another realm", () => {
  const foreign = runInNewContext("new Uint8Array([0x81, 0x00])");
  assertEquals(foreign instanceof Uint8Array, false, "it is foreign indeed");
  checkChunk(foreign);
  checkChunk(runInNewContext("new Uint8Array(0)"));
});

Deno.test("checkChunk() throws when it is given no bytes", () => {
  const wrong: unknown[] = [
    null,
    undefined,
    "\x81\x00",
    [0x81, 0x00],
    new ArrayBuffer(2),
    new DataView(new ArrayBuffer(2)),
    new Uint8ClampedArray(2),
    new Int8Array(2),
    new Uint16Array(2),
    new Float32Array(2),
    new BigUint64Array(2),
    { length: 2, 0: 0x81, 1: 0 },
    runInNewContext("new Uint16Array(2)"),
    runInNewContext("[0x81, 0x00]"),
    0x81,
  ];
  for (const value of wrong) {
    assertThrows(() => checkChunk(untyped(value)), TypeError, NOT_BYTES);
  }
});

Deno.test("checkChunk() throws when something only says that it is bytes", () => {
  const liar = { [Symbol.toStringTag]: "Uint8Array", length: 2 };
  assertThrows(() => checkChunk(untyped(liar)), TypeError);
});

Deno.test("checkChunk() throws when the memory is shared", () => {
  const views = [
    shared(4),
    shared(0),
    shared(4).subarray(1, 2),
    runInNewContext("new Uint8Array(new SharedArrayBuffer(4))"),
  ];
  for (const view of views) {
    assertThrows(
      () => checkChunk(view),
      TypeError,
      "Cannot receive a view of shared memory, which others may change meanwhile: copy it first",
    );
  }
});

Deno.test("checkChunk() throws when the buffer is detached", () => {
  const buffer = new ArrayBuffer(8);
  const part = new Uint8Array(buffer, 2, 3);
  const views = [
    part,
    detached(new Uint8Array(buffer)),
    detached(new Uint8Array(0)),
    detached(runInNewContext("new Uint8Array(4)")),
  ];
  for (const view of views) {
    assertThrows(
      () => checkChunk(view),
      TypeError,
      "Cannot receive a view whose buffer is detached",
    );
  }
});

Deno.test("checkMemory() says what could not be done", () => {
  const error = assertThrows(
    () => checkMemory(shared(1), "send"),
    TypeError,
    "Cannot send a view of shared memory",
  );
  assertInstanceOf(error, TypeError);
  assertThrows(
    () => checkMemory(detached(new Uint8Array(1)), "send"),
    TypeError,
    "Cannot send a view whose buffer is detached",
  );
});

Deno.test("checkMemory() takes every kind of view", () => {
  const buffer = new ArrayBuffer(16);
  const views = [
    new Uint8Array(buffer),
    new Uint8ClampedArray(buffer),
    new Int8Array(buffer),
    new Uint16Array(buffer),
    new Int16Array(buffer),
    new Uint32Array(buffer),
    new Int32Array(buffer),
    new Float32Array(buffer),
    new Float64Array(buffer),
    new BigInt64Array(buffer),
    new BigUint64Array(buffer),
    new DataView(buffer),
    new DataView(buffer, 3, 0),
  ];
  for (const view of views) checkMemory(view, "send");
  assertEquals(buffer.byteLength, 16);
});

Deno.test("checkMemory() throws TypeError when a DataView is detached", () => {
  // Its `byteLength` throws where that of a typed array is 0.
  const buffer = new ArrayBuffer(4);
  const view = new DataView(buffer);
  structuredClone(buffer, { transfer: [buffer] });
  assertThrows(() => checkMemory(view, "send"), TypeError, "detached");
});
