// What the properties are about: any data, any frames, any bytes, any cut.

import fc from "fast-check";
import type { Delivery, Role } from "../../src/connection/options.ts";
import {
  encodeFrame,
  type FrameInit,
  type Reserved,
} from "../../src/framing/frame.ts";
import { concat } from "../helpers/bytes.ts";

/** A run that failed is repeated with its seed: `NOIO_SEED=... deno test`. */
const seed = Deno.env.get("NOIO_SEED");

/** How the properties run: always the same, unless a seed is given. */
export function parameters(numRuns: number): fc.Parameters<unknown> {
  return { numRuns, seed: seed === undefined ? 6455 : Number(seed) };
}

/** Which end. */
export const anyRole: fc.Arbitrary<Role> = fc.constantFrom("client", "server");

/** How much of a message an event is. */
export const anyDelivery: fc.Arbitrary<Delivery> = fc.constantFrom(
  "message",
  "frame",
  "chunk",
);

/** Four bytes to mask with. */
export const anyKey: fc.Arbitrary<Uint8Array> = fc.uint8Array({
  minLength: 4,
  maxLength: 4,
});

const bit = fc.constantFrom<0 | 1>(0, 1);

/** Three reserved bits. */
export const anyReserved: fc.Arbitrary<Reserved> = fc.tuple(bit, bit, bit);

/** Well-formed text with points of every length, sometimes long. */
export const anyText: fc.Arbitrary<string> = fc.oneof(
  { weight: 5, arbitrary: fc.string({ unit: "binary", maxLength: 200 }) },
  { weight: 3, arbitrary: fc.string({ unit: "grapheme", maxLength: 200 }) },
  {
    weight: 1,
    arbitrary: fc.tuple(
      fc.constantFrom("a", "\u00e9", "\u20ac", "\u{1f600}"),
      fc.integer({ min: 0, max: 3000 }),
    ).map(([point, count]) => point.repeat(count)),
  },
);

/** Bytes, mostly few. */
export const anyBytes: fc.Arbitrary<Uint8Array> = fc.oneof(
  { weight: 8, arbitrary: fc.uint8Array({ maxLength: 200 }) },
  {
    weight: 1,
    arbitrary: fc.tuple(
      fc.uint8Array({ minLength: 1, maxLength: 20 }),
      fc.integer({ min: 0, max: 4000 }),
    ).map(([part, count]) => concat(...new Array(count).fill(part))),
  },
);

/** Some bytes in pieces, of which some may be empty. */
export function cutInto(
  bytes: Uint8Array,
  places: readonly number[],
): Uint8Array<ArrayBuffer>[] {
  const at = places.map((place) => place % (bytes.length + 1))
    .sort((a, b) => a - b);
  return [...at, bytes.length].map((end, i) =>
    new Uint8Array(bytes.subarray(i === 0 ? 0 : at[i - 1], end))
  );
}

/** Places to cut at, for `cutInto`. */
export const anyPlaces: fc.Arbitrary<number[]> = fc.array(
  fc.nat({ max: 0xff_ffff }),
  { maxLength: 30 },
);

/** A frame that is likely to be right: often a whole message, short, no bits. */
const anyFrame: fc.Arbitrary<FrameInit> = fc.record({
  opcode: fc.oneof(
    { weight: 9, arbitrary: fc.constantFrom(0, 1, 2, 9, 10, 3, 11) },
    { weight: 1, arbitrary: fc.integer({ min: 0, max: 15 }) },
  ),
  fin: fc.oneof(
    { weight: 3, arbitrary: fc.constant(true) },
    { weight: 1, arbitrary: fc.constant(false) },
  ),
  reserved: fc.oneof(
    { weight: 9, arbitrary: fc.constant<Reserved>([0, 0, 0]) },
    { weight: 1, arbitrary: anyReserved },
  ),
  payload: fc.oneof(
    {
      weight: 3,
      arbitrary: fc.string({ unit: "binary", maxLength: 60 })
        .map((text) => new TextEncoder().encode(text)),
    },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 150 }) },
  ),
});

/**
 * What a peer may send to a role: frames that follow each other as messages do,
 * more or less, of which some bytes are then changed.
 */
export function anyTraffic(role: Role): fc.Arbitrary<Uint8Array> {
  const mutation = fc.record({
    at: fc.nat({ max: 0xffff }),
    to: fc.integer({ min: 0, max: 255 }),
    kind: fc.constantFrom("set", "insert", "remove"),
  });
  return fc.tuple(
    fc.array(anyFrame, { maxLength: 12 }),
    anyKey,
    fc.boolean(),
    fc.oneof(
      { weight: 1, arbitrary: fc.constant([]) },
      { weight: 1, arbitrary: fc.array(mutation, { maxLength: 4 }) },
    ),
  ).map(([frames, key, repair, mutations]) => {
    let within = false;
    const encoded = frames.map((frame) => {
      let { opcode } = frame;
      if (repair && opcode < 8) {
        if (within) opcode = 0;
        else if (opcode === 0) opcode = 1;
        within = frame.fin === false;
      }
      const fin = repair && opcode >= 8 ? true : frame.fin;
      return encodeFrame(
        { ...frame, opcode, fin },
        role === "server" ? key : undefined,
      );
    });
    const bytes = Array.from(concat(...encoded));
    for (const { at, to, kind } of mutations) {
      const place = at % (bytes.length + 1);
      if (kind === "set") bytes.splice(place, 1, to);
      else if (kind === "insert") bytes.splice(place, 0, to);
      else bytes.splice(place, 1);
    }
    return Uint8Array.from(bytes);
  });
}
