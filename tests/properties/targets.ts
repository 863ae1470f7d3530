// What is fuzzed: for each target, how an input is made and what must hold of it.

import { checkConnection, checkDecoder } from "./checks.ts";
import { Dice, mutate, shorten } from "./dice.ts";
import { anyHead, anyValue, checkField, checkHead } from "./heads.ts";
import { anyPlaintext, checkDeflater } from "./plaintexts.ts";
import { anySetup, anyTraffic } from "./traffic.ts";

/** One input: its bytes, what it is, and what must hold of it. */
export interface Input {
  readonly target: string;
  /** What else makes it what it is, for a person to read. */
  readonly setting: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Throws where something does not hold of some bytes in that setting. */
  check(bytes: Uint8Array<ArrayBuffer>): void;
}

/** How many of 64 inputs are for which target. */
const TARGETS = [
  ["connection", 37],
  ["extensions", 4],
  ["deflater", 1],
  ["decoder", 9],
  ["request", 4],
  ["response", 4],
  ["field", 5],
] as const;

/** The name of a target. */
export type Target = typeof TARGETS[number][0];

/** All of them. */
export const ALL_TARGETS: readonly Target[] = TARGETS.map(([name]) => name);

/** One after the other, as often as their share is. */
const SHARES: readonly Target[] = TARGETS.flatMap(([name, share]) =>
  new Array<Target>(share).fill(name)
);

/** An input for some target, or for the one that is given. */
export function anyInput(
  dice: Dice,
  target: Target = SHARES[dice.below(SHARES.length)],
): Input {
  // What the checks ask of chance must be the same when they are repeated.
  const seed = dice.next();
  const again = () => new Dice(seed, 0);
  const kind = dice.below(10);
  switch (target) {
    case "connection":
    case "extensions": {
      const setup = anySetup(dice, target === "extensions");
      const stream = kind === 0
        ? dice.bytes(dice.below(64))
        : anyTraffic(dice, setup, kind < 4);
      const { bytes, how, at } = kind < 6
        ? { bytes: stream, how: "as it is", at: 0 }
        : mutate(dice, stream);
      return {
        target,
        setting: `${JSON.stringify(setup)}, ${how}`,
        bytes,
        check: (bytes) => checkConnection(again(), setup, bytes, at),
      };
    }
    case "deflater":
      return {
        target,
        setting: `dice ${seed}`,
        bytes: anyPlaintext(dice),
        check: (bytes) => checkDeflater(again(), bytes),
      };
    case "decoder": {
      const setup = anySetup(dice, false);
      const stream = kind === 0
        ? dice.bytes(dice.below(64))
        : anyTraffic(dice, setup, kind < 5);
      const bytes = kind < 6 ? stream : mutate(dice, stream).bytes;
      const setting = `dice ${seed}`;
      const check = (bytes: Uint8Array<ArrayBuffer>) =>
        checkDecoder(again(), bytes);
      return { target, setting, bytes, check };
    }
    case "request":
    case "response": {
      const head = kind === 0
        ? dice.bytes(dice.below(64))
        : anyHead(dice, target);
      const { bytes, at } = kind < 6
        ? { bytes: head, at: 0 }
        : mutate(dice, head);
      return {
        target,
        setting: JSON.stringify(latin(bytes)),
        bytes,
        check: (bytes) => checkHead(again(), target, bytes, at),
      };
    }
    case "field": {
      const value = Uint8Array.from(anyValue(dice), (c) => c.charCodeAt(0));
      return {
        target,
        setting: JSON.stringify(latin(value)),
        bytes: kind === 0 ? mutate(dice, value).bytes : value,
        check: (bytes) => checkField(again(), latin(bytes)),
      };
    }
  }
}

/** Bytes as a text of as many characters. */
function latin(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

/** Checks one input; says what is wrong with it, and with how little of it. */
export function tryInput(input: Input): string | undefined {
  const first = failureOf(input, input.bytes);
  if (first === undefined) return undefined;
  const bytes = shorten(
    input.bytes,
    (less) => failureOf(input, less) !== undefined,
  );
  const what = failureOf(input, bytes) ?? first;
  return `${input.target}, ${input.setting}\n` +
    `  ${bytes.length} of ${input.bytes.length} bytes: ${bytes.toHex()}\n  ${what}`;
}

function failureOf(
  input: Input,
  bytes: Uint8Array<ArrayBuffer>,
): string | undefined {
  try {
    input.check(bytes);
  } catch (error) {
    if (!(error instanceof Error)) return `threw ${error}`;
    // What does not hold is said in words; what was thrown, by where.
    return error.name === "Wrong" ? error.message : error.stack ?? `${error}`;
  }
  return undefined;
}
