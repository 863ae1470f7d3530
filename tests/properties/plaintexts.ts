// Plaintexts for the deflater, and what must hold of them: zlib gives back what was
// compressed, in messages cut anywhere, with any settings.

import { constants, deflateRawSync, inflateRawSync } from "node:zlib";
import { MessageDeflater } from "../../src/deflate/deflater.ts";
import { puff } from "../helpers/puff.ts";
import { holds, same } from "./checks.ts";
import { type Dice, join } from "./dice.ts";

/** Bytes that repeat themselves, near and far, and do not. */
export function anyPlaintext(dice: Dice): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(
    dice.below(dice.once(20) ? 200_000 : dice.of([60, 1000, 10_000])),
  );
  const spread = dice.of([1, 2, 4, 64, 256]);
  for (let at = 0; at < bytes.length;) {
    const isCopy = at > 0 && !dice.once(2);
    const back = 1 + dice.below(Math.min(at, dice.of([3, 300, 70_000])));
    const length = 1 + dice.below(dice.once(20) ? 5000 : isCopy ? 30 : 12);
    for (const end = Math.min(bytes.length, at + length); at < end; at++) {
      bytes[at] = isCopy ? bytes[at - back] : dice.below(spread);
    }
  }
  return bytes;
}

/** Compresses some bytes, cut into messages, and reads them. */
export function checkDeflater(
  dice: Dice,
  bytes: Uint8Array<ArrayBuffer>,
): void {
  const windowBits = dice.between(9, 15);
  const level = dice.below(10);
  const memLevel = dice.between(1, 9);
  const settings = { windowBits, level, memLevel };
  // Where positions begin anew, and elsewhere.
  const start = dice.once(3) ? 0x3f00_0000 - dice.below(100_000) : undefined;
  const deflater = new MessageDeflater(settings, start);
  const reach = (1 << windowBits) - 262;
  const places = [0, ...dice.places(bytes.length, 30), bytes.length];
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let skipped = false;
  for (let i = 1; i < places.length; i++) {
    const message = bytes.slice(places[i - 1], places[i]);
    const before = message.slice();
    if (dice.once(20)) {
      skipped = true;
      const { Z_SYNC_FLUSH } = constants;
      const made = deflateRawSync(message, { finishFlush: Z_SYNC_FLUSH });
      parts.push(Uint8Array.from(made));
      deflater.skip(message);
    } else parts.push(deflater.compress(message));
    holds(same(message, before), "a message is as it was");
    if (dice.once(10)) deflater.reset();
  }
  const read = inflateRawSync(join(...parts), {
    finishFlush: constants.Z_SYNC_FLUSH,
  });
  holds(same(read, bytes), "zlib reads what was compressed");
  if (bytes.length > 3000 || skipped) return;
  for (const { tokens } of puff(join(...parts)).blocks) {
    for (const token of tokens) {
      holds(
        typeof token === "number" || token[1] <= reach,
        "nothing is farther back than the window",
      );
    }
  }
}
