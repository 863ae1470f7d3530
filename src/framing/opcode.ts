// Opcodes: the standard ones, and the table that an application extends with
// names of its own (RFC 6455, section 5.2).

/**
 * The opcodes that RFC 6455 defines, by name.
 *
 * @example Looking one up
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Opcode } from "@noio/ws";
 *
 * assertEquals(Opcode.PING, 9);
 * ```
 */
export const Opcode = {
  /** A further frame of a fragmented message. */
  CONTINUATION: 0,
  /** Text: UTF-8. */
  TEXT: 1,
  /** Binary data. */
  BINARY: 2,
  /** Closes the connection. */
  CLOSE: 8,
  /** Asks for a pong with the same payload. */
  PING: 9,
  /** Answers a ping. */
  PONG: 10,
} as const;

/** An opcode that RFC 6455 defines. */
export type Opcode = typeof Opcode[keyof typeof Opcode];

/** The opcodes that RFC 6455 leaves free for data frames, which may be fragmented. */
export type DataOpcode = 3 | 4 | 5 | 6 | 7;

/** The opcodes that RFC 6455 leaves free for control frames: whole, 125 bytes at most. */
export type ControlOpcode = 11 | 12 | 13 | 14 | 15;

/** Names for opcodes of one's own, as {@linkcode ConnectionOptions.opcodes} takes them. */
export type CustomOpcodes = {
  readonly [name: string]: DataOpcode | ControlOpcode;
};

/** Whether frames with this opcode are control frames (RFC 6455, section 5.5). */
export function isControl(opcode: number): boolean {
  return (opcode & 8) !== 0;
}

/** The names that an application may not give: those of events, standard or not. */
const STANDARD: readonly (readonly [name: string, opcode: number])[] = [
  ["continue", Opcode.CONTINUATION],
  ["text", Opcode.TEXT],
  ["binary", Opcode.BINARY],
  ["close", Opcode.CLOSE],
  ["ping", Opcode.PING],
  ["pong", Opcode.PONG],
];

/**
 * Names to opcodes and back. The names live in a `Map` and the opcodes in an
 * array, so that `__proto__` is a name like any other.
 */
export class OpcodeTable {
  /** The name of each opcode, `undefined` where there is none. */
  readonly names: readonly (string | undefined)[];
  readonly #opcodes: Map<string, number>;

  /**
   * @throws {RangeError} If a name or an opcode is taken, or an opcode is not
   * one that RFC 6455 leaves free
   */
  constructor(custom: CustomOpcodes = {}) {
    const names = new Array<string | undefined>(16).fill(undefined);
    const opcodes = new Map<string, number>(STANDARD);
    for (const [name, opcode] of STANDARD) names[opcode] = name;

    for (const [name, opcode] of Object.entries(custom)) {
      if (name === "" || name === "fail" || opcodes.has(name)) {
        throw new RangeError(
          `Cannot register the opcode name "${name}": it is reserved`,
        );
      }
      if (
        !Number.isInteger(opcode) || (opcode & 7) < 3 || opcode < 3 ||
        opcode > 15
      ) {
        throw new RangeError(
          `Cannot register the opcode ${opcode} as "${name}": only 3 to 7 and 11 to 15 are free`,
        );
      }
      if (names[opcode] !== undefined) {
        throw new RangeError(
          `Cannot register the opcode ${opcode} as "${name}": it is "${
            names[opcode]
          }" already`,
        );
      }
      names[opcode] = name;
      opcodes.set(name, opcode);
    }
    this.names = names;
    this.#opcodes = opcodes;
  }

  /** The opcode of a name, `undefined` where there is none. */
  opcode(name: string): number | undefined {
    return this.#opcodes.get(name);
  }
}

/** The table of those who register nothing. */
export const STANDARD_OPCODES: OpcodeTable = new OpcodeTable();
