// The options of a connection, and what they come to.

import type { Extension } from "../extensions/extension.ts";
import { Pipeline } from "../extensions/pipeline.ts";
import type { HeadRules } from "../framing/rules.ts";
import { limit } from "../framing/rules.ts";
import { type Reserved, reservedBits } from "../framing/frame.ts";
import { KeyPool, KEYS, type RandomSource } from "../framing/keys.ts";
import {
  type CustomOpcodes,
  isControl,
  Opcode,
  OpcodeTable,
  STANDARD_OPCODES,
} from "../framing/opcode.ts";
import type { NoOpcodes, NoReserved } from "./event.ts";

/** Which end of the connection this is: a client masks, a server does not. */
export type Role = "client" | "server";

/**
 * How much of a message one event is.
 *
 * - `"message"`: all of it
 * - `"frame"`: one frame, when it is complete; the later ones are `"continue"`
 * - `"chunk"`: what has arrived; the later parts are `"continue"`
 *
 * Text never ends inside a code point, and control frames are always whole.
 */
export type Delivery = "message" | "frame" | "chunk";

/** What a connection lets pass though RFC 6455 forbids it: each by name, by choice. */
export interface Lenient {
  /**
   * At a server: frames of the client need not be masked (section 5.1).
   *
   * @default {false}
   */
  unmaskedClient?: boolean | undefined;
  /**
   * Lengths need not be in their shortest form (section 5.2).
   *
   * @default {false}
   */
  paddedLength?: boolean | undefined;
}

/**
 * Options for a {@linkcode Connection}.
 *
 * @typeParam O The opcodes that the application registers
 * @typeParam R The reserved bits that it claims
 */
export interface ConnectionOptions<
  O extends CustomOpcodes = NoOpcodes,
  R extends Reserved = NoReserved,
> {
  /**
   * Opcodes of one's own by name: 3 to 7 for data, which may be fragmented, 11 to
   * 15 for control frames (RFC 6455, section 5.2).
   *
   * @default {{}}
   */
  opcodes?: O | undefined;
  /**
   * Claims reserved bits for the application, which then may send and receive
   * them in any frame. A bit that nothing claims fails the connection. Text whose
   * first frame carries one is delivered and sent as bytes, unchecked.
   *
   * @default {[0, 0, 0]}
   */
  reserved?: R | undefined;
  /**
   * How much of a message one event is.
   *
   * @default {"message"}
   */
  delivery?: Delivery | undefined;
  /**
   * The most bytes of a message that is received, all its fragments together, in
   * each delivery; `Infinity` for no limit. What is over fails with 1009 before
   * its payload is looked at.
   *
   * @default {16_777_216}
   */
  maxMessageBytes?: number | undefined;
  /**
   * The most bytes of one frame's payload, as it is on the wire; `Infinity` for no
   * limit.
   *
   * @default {maxMessageBytes} with extensions, which may have made it longer,
   * 1.25 times that and 1 KiB
   */
  maxFrameBytes?: number | undefined;
  /**
   * The extensions that the handshake has agreed on, in the order of the server's
   * answer (RFC 6455, section 9.1).
   *
   * @default {[]}
   */
  extensions?: readonly Extension[] | undefined;
  /**
   * What to let pass though RFC 6455 forbids it.
   *
   * @default {{}}
   */
  lenient?: Lenient | undefined;
  /**
   * Fills bytes with random values for masking keys. They must not be
   * predictable (RFC 6455, section 10.3): replace it for tests alone.
   *
   * @default {crypto.getRandomValues}
   */
  random?: RandomSource | undefined;
}

/** The default of {@linkcode ConnectionOptions.maxMessageBytes}: 16 MiB. */
export const MAX_MESSAGE_BYTES = 16_777_216;

/** By how much an extension may have made a frame longer than its message. */
const GROWTH = 1.25;
const GROWTH_BYTES = 1024;

/** How many bytes of a caller's randomness are kept ready. */
const OWN_POOL_BYTES = 64;

/** What the options come to. */
export interface Settings {
  readonly table: OpcodeTable;
  /** The reserved bits of the application. */
  readonly claimed: number;
  readonly delivery: Delivery;
  readonly rules: HeadRules;
  readonly maxMessageBytes: number;
  /** The extensions, `undefined` where there are none. */
  readonly pipeline: Pipeline | undefined;
  /** Where a client's masking keys come from; a server has none. */
  readonly keys: KeyPool | undefined;
}

/** Judges the options and fills in what they leave out. */
export function settingsOf(
  role: Role,
  options: ConnectionOptions<CustomOpcodes, Reserved>,
): Settings {
  if (role !== "client" && role !== "server") {
    throw new TypeError(
      `Cannot make a connection with the role "${role}": it is "client" or "server"`,
    );
  }
  const { delivery = "message", lenient = {}, opcodes, random } = options;
  if (delivery !== "message" && delivery !== "frame" && delivery !== "chunk") {
    throw new TypeError(
      `Cannot deliver by "${delivery}": it is "message", "frame" or "chunk"`,
    );
  }
  const table = opcodes === undefined
    ? STANDARD_OPCODES
    : new OpcodeTable(opcodes);
  const claimed = options.reserved === undefined
    ? 0
    : reservedBits(options.reserved);
  // In this order, lest a wrong limit be blamed on the one that follows from it.
  const { maxMessageBytes = MAX_MESSAGE_BYTES } = options;
  const mostOfMessage = limit("maxMessageBytes", maxMessageBytes);
  const { extensions = [] } = options;
  const grown = Math.min(
    Math.ceil(mostOfMessage * GROWTH) + GROWTH_BYTES,
    Number.MAX_SAFE_INTEGER,
  );
  const pipeline = extensions.length === 0
    ? undefined
    : new Pipeline(extensions, claimed, grown);
  const { maxFrameBytes = pipeline === undefined ? maxMessageBytes : grown } =
    options;
  let defined = 0;
  for (let opcode = 0; opcode < 16; opcode++) {
    if (table.names[opcode] !== undefined) defined |= 1 << opcode;
  }
  return {
    table,
    claimed,
    delivery,
    rules: {
      masked: role === "client"
        ? false
        : lenient.unmaskedClient === true
        ? undefined
        : true,
      opcodes: defined,
      // An extension's bits are for the first frame of a data message.
      reserved: Array.from(
        { length: 16 },
        (_, opcode) =>
          opcode === Opcode.CONTINUATION || isControl(opcode)
            ? claimed
            : claimed | (pipeline?.bits ?? 0),
      ),
      control: true,
      fragmentation: true,
      shortestLength: lenient.paddedLength !== true,
      maxFrameBytes: limit("maxFrameBytes", maxFrameBytes),
      // Behind an extension it is not the bytes on the wire that count.
      maxMessageBytes: pipeline === undefined ? mostOfMessage : Infinity,
    },
    maxMessageBytes: mostOfMessage,
    pipeline,
    keys: role === "server"
      ? undefined
      : random === undefined
      ? KEYS
      : new KeyPool(random, OWN_POOL_BYTES),
  };
}
