// Reads DEFLATE bit by bit, straight from RFC 1951, and says what it has seen: the
// blocks, their literals and matches. Slow, and with nothing of what it tests.

/** What a block is made of. */
export interface Block {
  readonly type: "stored" | "fixed" | "dynamic";
  /** A byte, or how many bytes are copied from how far back. */
  readonly tokens:
    readonly (number | readonly [length: number, back: number])[];
  /** How many bits say the length of each literal, and of each distance. */
  readonly lengths?: readonly (readonly number[])[];
}

/** What there is in some bytes. */
export interface Puffed {
  readonly blocks: readonly Block[];
  readonly bytes: Uint8Array<ArrayBuffer>;
}

const LENGTHS = Array.from({ length: 28 }, (_, i) => ranged(i, 4, 3));
LENGTHS.push([258, 0]);
const DISTANCES = Array.from({ length: 30 }, (_, i) => ranged(i, 2, 1));

/** The least value of a symbol, and how many bits follow it (section 3.2.5). */
function ranged(symbol: number, each: number, first: number): [number, number] {
  if (symbol < 2 * each) return [first + symbol, 0];
  const bits = Math.floor(symbol / each) - 1;
  return [first + (each + symbol % each << bits), bits];
}

const ORDER = [
  ...[16, 17, 18, 0, 8, 7, 9, 6, 10, 5],
  ...[11, 4, 12, 3, 13, 2, 14, 1, 15],
];

/**
 * Reads blocks up to the end of the bytes, none of which is the last.
 *
 * @param bytes Whole blocks
 * @param before What they may refer to
 */
export function puff(
  bytes: Uint8Array,
  before: Uint8Array = new Uint8Array(0),
): Puffed {
  const out = Array.from(before);
  const blocks: Block[] = [];
  let at = 0;
  const take = (count: number) => {
    let value = 0;
    for (let i = 0; i < count; i++, at++) {
      if (at >> 3 >= bytes.length) throw new Error("There are no more bits");
      value |= (bytes[at >> 3] >> (at & 7) & 1) << i;
    }
    return value;
  };
  /** A code as a map from its words, each behind a 1, to symbols (section 3.2.2). */
  const codeOf = (lengths: readonly number[]) => {
    const code = new Map<number, number>();
    let word = 0;
    for (let length = 1; length <= 15; length++, word <<= 1) {
      for (const [symbol, own] of lengths.entries()) {
        if (own === length) code.set(1 << length | word++, symbol);
      }
    }
    return code;
  };
  const symbolOf = (code: Map<number, number>) => {
    for (let word = 1; word < 1 << 16;) {
      word = word << 1 | take(1);
      const symbol = code.get(word);
      if (symbol !== undefined) return symbol;
    }
    throw new Error("No symbol has these bits");
  };
  while (at < 8 * bytes.length) {
    if (take(1) === 1) throw new Error("This is a last block");
    const type = (["stored", "fixed", "dynamic"] as const)[take(2)];
    if (type === undefined) throw new Error("No block has this type");
    const tokens: (number | [number, number])[] = [];
    if (type === "stored") {
      at = at + 7 & ~7;
      const length = take(16);
      if (take(16) !== (~length & 0xffff)) throw new Error("Which length?");
      for (let i = 0; i < length; i++) tokens.push(take(8));
      out.push(...tokens as number[]);
      blocks.push({ type, tokens });
      continue;
    }
    const lengths = type === "fixed" ? fixedLengths() : saidLengths();
    const [literals, distances] = lengths.map(codeOf);
    for (;;) {
      const symbol = symbolOf(literals);
      if (symbol === 256) break;
      if (symbol < 256) {
        tokens.push(symbol);
        out.push(symbol);
        continue;
      }
      const [least, bits] = LENGTHS[symbol - 257];
      const length = least + take(bits);
      const [near, more] = DISTANCES[symbolOf(distances)];
      const back = near + take(more);
      if (back > out.length) throw new Error(`Nothing is ${back} bytes back`);
      tokens.push([length, back]);
      for (let i = 0; i < length; i++) out.push(out[out.length - back]);
    }
    blocks.push({ type, tokens, lengths });
  }
  return { blocks, bytes: Uint8Array.from(out.slice(before.length)) };

  function fixedLengths(): number[][] {
    const literals = Array.from(
      { length: 288 },
      (_, i) => i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8,
    );
    return [literals, Array(30).fill(5)];
  }

  function saidLengths(): number[][] {
    const literals = 257 + take(5);
    const distances = 1 + take(5);
    const own: number[] = Array(19).fill(0);
    const count = 4 + take(4);
    for (let i = 0; i < count; i++) own[ORDER[i]] = take(3);
    const code = codeOf(own);
    const all: number[] = [];
    while (all.length < literals + distances) {
      const symbol = symbolOf(code);
      if (symbol < 16) all.push(symbol);
      else if (symbol === 16) {
        all.push(...Array(3 + take(2)).fill(all[all.length - 1]));
      } else {
        const zeros = symbol === 17 ? 3 + take(3) : 11 + take(7);
        all.push(...Array(zeros).fill(0));
      }
    }
    if (all.length > literals + distances) throw new Error("Too many lengths");
    return [all.slice(0, literals), all.slice(literals)];
  }
}
