// Tests the tests: changes one thing in a source file, runs the tests that belong
// to it, and tells which changes no test has noticed. A program of its own, and no
// part of `deno task test`: each change takes a second or two.
//
// deno task mutate [--sample=N] [--seed=N] [--jobs=N] [file or folder of src ...]
//
// What is changed: comparisons, arithmetic, logic, numbers, words in quotes,
// conditions, and statements, which are left out. Types and comments are not
// touched, and neither are sentences for people. A change that makes no difference
// to what the code does is listed below, with the reason.

import { stripTypeScriptTypes } from "node:module";
import { Dice } from "./properties/dice.ts";

/** A change that no test can notice, as it makes no difference. */
interface Equivalent {
  readonly file: string;
  /** The line as it is, without the space around it. */
  readonly line: string;
  /** What it becomes; where left out, whatever it becomes. */
  readonly becomes?: string;
  readonly because: string;
}

const EQUIVALENT: readonly Equivalent[] = [
  {
    file: "src/framing/chunk.ts",
    line: "if (buffer.byteLength > 0) return false;",
    because: "A short way past the attempt that follows, which says the same.",
  },
  {
    file: "src/framing/cursor.ts",
    line: "if (length === 127 || there < 4) return false;",
    becomes: "if (length === 127 || there < 3) return false;",
    because:
      "A byte that is not there counts as 0, and the length is then over what there is.",
  },
  {
    file: "src/framing/cursor.ts",
    line: "length = 0;",
    becomes: "length = 1;",
    because: "It is set before it is read.",
  },
  {
    file: "src/framing/decoder.ts",
    line: 'let defined = opcodes === "any" ? 0xffff : 0;',
    becomes: 'let defined = opcodes === "any" ? 65534 : 0;',
    because: "The bit of opcode 0 is set by the loop that follows.",
  },
  {
    file: "src/framing/decoder.ts",
    line: 'let defined = opcodes === "any" ? 0xffff : 0;',
    becomes: 'let defined = opcodes === "any" ? 0xffff : 1;',
    because: "The bit of opcode 0 is set by the loop that follows.",
  },
  {
    file: "src/framing/decoder.ts",
    line: "return new Uint8Array([key, key >>> 8, key >>> 16, key >>> 24]);",
    becomes: "return new Uint8Array([key, key >> 8, key >>> 16, key >>> 24]);",
    because: "Only the lowest eight bits are kept.",
  },
  {
    file: "src/framing/frame.ts",
    line: "bytes[at + 2] = length >>> 8;",
    becomes: "bytes[at + 2] = length >> 8;",
    because: "Only the lowest eight bits are kept.",
  },
  {
    file: "src/framing/gather.ts",
    line: "const BLOCK_BYTES = 512;",
    because: "How large blocks are is a matter of speed.",
  },
  {
    file: "src/framing/gather.ts",
    line: "room = this.#block.length;",
    becomes: ";",
    because: "The loop comes round once more, and finds the room then.",
  },
  {
    file: "src/framing/gather.ts",
    line: "if (this.#used > 0) this.#full.push(this.#block);",
    becomes: "if (this.#used > 1) this.#full.push(this.#block);",
    because: "A block is full when another is asked for, and none has 1 byte.",
  },
  {
    file: "src/framing/mask.ts",
    line: "export const WORDS_FROM: number = 64 /",
    becomes: "export const WORDS_FROM: number = 64 *",
    because: "The other number is 1, but on a big-endian machine.",
  },
  {
    file: "src/framing/mask.ts",
    line: "const k1 = key >>> 8 & 0xff;",
    becomes: "const k1 = key >> 8 & 0xff;",
    because: "Only the lowest eight bits are kept.",
  },
  {
    file: "src/framing/mask.ts",
    line: "if (length < WORDS_FROM || !(buffer instanceof ArrayBuffer)) {",
    becomes: "if (length < WORDS_FROM && !(buffer instanceof ArrayBuffer)) {",
    because: "Both ways mask any bytes: which one is a matter of speed.",
  },
  {
    file: "src/framing/opcode.ts",
    line: "!Number.isInteger(opcode) || (opcode & 7) < 3 || opcode < 3 ||",
    becomes: "!Number.isInteger(opcode) || (opcode & 7) < 3 || opcode < 2 ||",
    because: "The lowest three bits of 2 are refused already.",
  },
  {
    file: "src/framing/opcode.ts",
    line: "opcode > 15",
    becomes: "opcode > 16",
    because: "The lowest three bits of 16 are refused already.",
  },
  {
    file: "src/framing/rules.ts",
    line: "return rules.control && first < 0x80",
    becomes: "return rules.control && first < 129",
    because: "128 is a continuation, which is no control frame.",
  },
  {
    file: "src/framing/slab.ts",
    line: "let slab = new Space(0);",
    becomes: "let slab = new Space(1);",
    because: "It is replaced as soon as something is asked of it.",
  },
  {
    file: "src/framing/utf8.ts",
    line: "if ((next & 0xc0) !== 0x80) return i;",
    becomes: "if ((next | 0xc0) !== 0x80) return i;",
    because:
      "The short way gives up sooner, and the bytes are looked at one by one.",
  },
  {
    file: "src/framing/utf8.ts",
    line: "if ((bytes[i + 2] & 0xc0) !== 0x80) return i;",
    becomes: "if ((bytes[i + 2] & 193) !== 0x80) return i;",
    because:
      "The short way gives up sooner, and the bytes are looked at one by one.",
  },
  {
    file: "src/framing/chunk.ts",
    line: "return false;",
    becomes: ";",
    because: "What is returned then is undefined, which is as good.",
  },
  {
    file: "src/framing/cursor.ts",
    line: "bytes: Uint8Array<ArrayBuffer> = EMPTY;",
    becomes: ";",
    because: "It is set before it is read.",
  },
  {
    file: "src/framing/cursor.ts",
    line: "opcode = 0;",
    becomes: "opcode = 1;",
    because: "It is set before it is read.",
  },
  {
    file: "src/framing/cursor.ts",
    line: "if (this.#queue.length > 0) this.#queue = [];",
    becomes: "if (this.#queue.length >= 0) this.#queue = [];",
    because: "An empty queue is as good as another.",
  },
  {
    file: "src/framing/cursor.ts",
    line: "this.#next = 0;",
    becomes: ";",
    because: "It is 0 already where something is pushed afterwards.",
  },
  {
    file: "src/framing/cursor.ts",
    line: "if (there < 2 || this.#have !== 0) return false;",
    becomes: "if (there < 3 || this.#have !== 0) return false;",
    because: "Both ways come to the same: which one is a matter of speed.",
  },
  {
    file: "src/framing/cursor.ts",
    line: "length = there < 4 ? 0 : bytes[at + 2] << 8 | bytes[at + 3];",
    becomes: "length = there < 4 ? 1 : bytes[at + 2] << 8 | bytes[at + 3];",
    because: "Both are below 126.",
  },
  {
    file: "src/framing/cursor.ts",
    line: "if (length < 126 || isControl(opcode)) return this.#readSlowly();",
    becomes:
      "if (length < 127 || isControl(opcode)) return this.#readSlowly();",
    because: "Both ways come to the same: which one is a matter of speed.",
  },
  {
    file: "src/framing/cursor.ts",
    line: "} else if (to - from < WORDS_FROM) {",
    because: "Both ways come to the same: which one is a matter of speed.",
  },
  {
    file: "src/framing/cursor.ts",
    line: "if (to - from < DATA_FROM) {",
    because: "Both ways come to the same: which one is a matter of speed.",
  },
  {
    file: "src/framing/cursor.ts",
    line: "if (this.#have > 2) return length < 126;",
    becomes: "if (this.#have > 3) return length < 126;",
    because: "What is asked of the third byte holds since the second.",
  },
  {
    file: "src/framing/decoder.ts",
    line: "reserved: new Array<number>(16).fill(reservedBits(reserved)),",
    becomes: "reserved: new Array<number>(17).fill(reservedBits(reserved)),",
    because: "There is no opcode 16.",
  },
  {
    file: "src/framing/decoder.ts",
    line: "return new Uint8Array([key, key >>> 8, key >>> 16, key >>> 24]);",
    becomes: "return new Uint8Array([key, key >>> 8, key >> 16, key >>> 24]);",
    because: "Only the lowest eight bits are kept.",
  },
  {
    file: "src/framing/format.ts",
    line: "if (payload.length <= 4 * SHOWN) {",
    becomes: "if (payload.length <= 5 * SHOWN) {",
    because: "Both ways come to the same: which one is a matter of speed.",
  },
  {
    file: "src/framing/frame.ts",
    line: "bytes[at + 2] = high >>> 24;",
    becomes: "bytes[at + 2] = high >>> 23;",
    because: "No length has that many bits.",
  },
  {
    file: "src/framing/frame.ts",
    line: "bytes[at + 3] = key >>> 24;",
    becomes: "bytes[at + 3] = key >> 24;",
    because: "Only the lowest eight bits are kept.",
  },
  {
    file: "src/framing/frame.ts",
    line: "const COPY_BY_HAND = 32;",
    because: "Both ways come to the same: which one is a matter of speed.",
  },
  {
    file: "src/framing/frame.ts",
    line: "for (let i = 0; i < length; i++) bytes[at + i] = payload[i];",
    becomes: "for (let i = 0; i <= length; i++) bytes[at + i] = payload[i];",
    because: "One byte more is written behind the frame, where nothing is yet.",
  },
  {
    file: "src/framing/frame.ts",
    line: "export const ALIGN_BYTES = 16;",
    becomes: "export const ALIGN_BYTES = 15;",
    because: "Twice seven bytes are enough.",
  },
  {
    file: "src/framing/gather.ts",
    line: "due -= count;",
    becomes: ";",
    because: "How large a block is, within its bounds, is a matter of speed.",
  },
  {
    file: "src/framing/gather.ts",
    line: "this.#exact = false;",
    becomes: "this.#exact = true;",
    because: "Both ways come to the same: which one is a matter of speed.",
  },
  {
    file: "src/framing/gather.ts",
    line: "const eighth = Math.floor(this.length / 8);",
    because: "How large blocks are is a matter of speed.",
  },
  {
    file: "src/framing/mask.ts",
    line: "const HALVES_FROM = 256;",
    because: "Both ways come to the same: which one is a matter of speed.",
  },
  {
    file: "src/framing/mask.ts",
    line: "if (to - from >= HALVES_FROM) {",
    because: "Both ways come to the same: which one is a matter of speed.",
  },
  {
    file: "src/framing/mask.ts",
    line: "export const DATA_FROM = 12;",
    because: "Both ways come to the same: which one is a matter of speed.",
  },
  {
    file: "src/connection/message.ts",
    line: "if (this.#held.length > 0) {",
    becomes: "if (this.#held.length >= 0) {",
    because: "What is gathered is a copy of the same bytes.",
  },
  {
    file: "src/connection/prepared.ts",
    line: "readonly data: SendData<O>;",
    becomes: "readonly ;",
    because: "A field is there once it is set.",
  },
  {
    file: "src/connection/prepared.ts",
    line: "readonly opcode: number | undefined;",
    becomes: "readonly ;",
    because: "A field is there once it is set.",
  },
  {
    file: "src/connection/prepared.ts",
    line: "this.opcode = STANDARD_OPCODES.opcode(type);",
    becomes: ";",
    because: "Without it the table of each connection is asked.",
  },
  {
    file: "src/connection/receiver.ts",
    line: "#isEncoded = false;",
    becomes: "#isEncoded = true;",
    because: "It is set before it is read.",
  },
  {
    file: "src/connection/receiver.ts",
    line: "const due = to - from + remaining;",
    because: "How large a block is, within its bounds, is a matter of speed.",
  },
  {
    file: "src/connection/receiver.ts",
    line: "this.#control.append(bytes, from, to, due, true);",
    becomes: "this.#control.append(bytes, from, to, due, false);",
    because: "Both ways come to the same: which one is a matter of speed.",
  },
  {
    file: "src/connection/encoder.ts",
    line: "for (let i = 0; i < length; i++) bytes[from + i] = payload[i];",
    becomes: "for (let i = 0; i <= length; i++) bytes[from + i] = payload[i];",
    because: "One byte more is written behind the frame, where nothing is yet.",
  },
  {
    file: "src/connection/encoder.ts",
    line: "const head = headBytes(length, key !== undefined);",
    becomes: "const head = headBytes(length, key === undefined);",
    because: "It is for the size and the alignment, and both have room enough.",
  },
  {
    file: "src/framing/mask.ts",
    line:
      "if (i + 2 < length) bytes[at + i + 2] = payload[i + 2] ^ key >>> 16;",
    becomes:
      "if (i + 2 < length) bytes[at + i + 2] = payload[i + 2] ^ key >> 16;",
    because: "Only the lowest eight bits are kept.",
  },
  {
    file: "src/framing/opcode.ts",
    line: "readonly names: readonly (string | undefined)[];",
    becomes: "readonly ;",
    because: "A field is there once it is set.",
  },
  {
    file: "src/framing/rules.ts",
    line: "if (rules.control && isControl(opcode) && end > 2) {",
    becomes: "if (rules.control && isControl(opcode) && end > 3) {",
    because: "A length ends at 2, 4 or 10.",
  },
  {
    file: "src/framing/slab.ts",
    line:
      "if (size > CARVE_BYTES || size >>> 0 !== size) return new Space(size);",
    becomes:
      "if (size > CARVE_BYTES || size << 0 !== size) return new Space(size);",
    because: "A negative size fails either way, before anything has changed.",
  },
  {
    file: "src/framing/slab.ts",
    line:
      "if (size > CARVE_BYTES || size >>> 0 !== size) return new Space(size);",
    becomes:
      "if (size > CARVE_BYTES || size >> 0 !== size) return new Space(size);",
    because: "A negative size fails either way, before anything has changed.",
  },
  {
    file: "src/framing/utf8.ts",
    line: "if (byte < 0xc2) return i;",
    becomes: "if (byte <= 0xc2) return i;",
    because: "Both ways come to the same: which one is a matter of speed.",
  },
  {
    file: "src/framing/utf8.ts",
    line: "i = skipValid(bytes, i, to);",
    becomes: ";",
    because: "Both ways come to the same: which one is a matter of speed.",
  },
];

/** What is changed where nothing is named: 95 % of it must be noticed. */
const DEFAULT = ["src/framing", "src/connection"];

/** Tests that measure memory or time in a process of their own: too slow here. */
const SLOW = [
  ...["cost no more", "costs no more", "constant memory", "reserves 64 KiB"],
  ...["nothing is held", "linear time", "million", "deflate bomb"],
];

/** Leaves these out. */
const PRELOAD = `const { test } = Deno;
const slow = ${JSON.stringify(SLOW)};
Deno.test = (name, ...rest) => {
  const text = typeof name === "string" ? name : name.name;
  if (!slow.some((part) => text.includes(part))) test(name, ...rest);
};
`;

/** Files of tests that take long and are about all of a folder. */
const SKIPPED = ["hardening_test.ts", "bomb_test.ts"];

/** One change of a file. */
interface Mutant {
  readonly file: string;
  readonly from: number;
  readonly to: number;
  readonly text: string;
}

interface Token {
  readonly kind: "word" | "number" | "string" | "sign";
  readonly text: string;
  readonly from: number;
  readonly to: number;
}

const SIGNS = [
  ...[">>>=", "...", "===", "!==", "**=", "<<=", ">>=", ">>>", "&&=", "||="],
  ...["??=", "=>", "==", "!=", "<=", ">=", "&&", "||", "??", "?.", "++", "--"],
  ...["+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "<<", ">>", "**"],
];

/** After these a slash begins a regular expression. */
const BEFORE_REGEXP = /[([{,;=:?&|!<>+\-*%^~]$|^(return|typeof|case)$/;

/** The tokens of a file without types; comments and templates are none. */
function tokensOf(code: string): Token[] {
  const tokens: Token[] = [];
  // For each template that is open: at which depth of braces its hole ends.
  const holes: number[] = [];
  let depth = 0;
  let at = 0;
  const template = () => {
    while (at < code.length) {
      if (code[at] === "\\") at += 2;
      else if (code[at] === "`") return void at++;
      else if (code.startsWith("${", at)) {
        at += 2;
        holes.push(depth++);
        return;
      } else at++;
    }
  };
  while (at < code.length) {
    const rest = code.slice(at, at + 200);
    const skipped = /^(\s+|\/\/[^\n]*)/.exec(rest)?.[0];
    if (skipped !== undefined) {
      at += skipped.length;
      continue;
    }
    if (rest.startsWith("/*")) {
      at = code.indexOf("*/", at) + 2;
      continue;
    }
    if (rest.startsWith("//")) {
      at = code.indexOf("\n", at);
      continue;
    }
    if (rest[0] === "`") {
      at++;
      template();
      continue;
    }
    const last = tokens.at(-1)?.text ?? ";";
    const regexp = BEFORE_REGEXP.test(last)
      ? /^\/(\\.|\[(\\.|[^\]])*\]|[^/\\\n])+\/[a-z]*/.exec(rest)?.[0]
      : undefined;
    const word = /^#?[\p{L}_$][\p{L}\p{N}_$]*/u.exec(rest)?.[0];
    const number = /^(0x[\da-f_]+|\d[\d_]*(\.\d+)?(e\d+)?)n?/i.exec(rest)?.[0];
    const string = /^("(\\.|[^"\\])*"|'(\\.|[^'\\])*')/.exec(rest)?.[0];
    const sign = SIGNS.find((sign) => rest.startsWith(sign)) ?? rest[0];
    const text = regexp ?? word ?? number ?? string ?? sign;
    const kind = word !== undefined
      ? "word"
      : number !== undefined && regexp === undefined
      ? "number"
      : string !== undefined || regexp !== undefined
      ? "string"
      : "sign";
    tokens.push({ kind, text, from: at, to: at + text.length });
    at += text.length;
    if (text === "{") depth++;
    if (text === "}") {
      depth--;
      if (holes.at(-1) === depth) {
        holes.pop();
        template();
      }
    }
  }
  return tokens;
}

/** What a sign may become. */
const CHANGED: Readonly<Record<string, readonly string[]>> = {
  "<": ["<="],
  "<=": ["<"],
  ">": [">="],
  ">=": [">"],
  "===": ["!=="],
  "!==": ["==="],
  "&&": ["||"],
  "||": ["&&"],
  "+": ["-"],
  "-": ["+"],
  "*": ["/"],
  "/": ["*"],
  "%": ["*"],
  "&": ["|"],
  "|": ["&"],
  "^": ["|"],
  "<<": [">>"],
  ">>": ["<<"],
  ">>>": [">>", "<<"],
  "+=": ["-="],
  "-=": ["+="],
  "|=": ["&="],
  "&=": ["|="],
  "^=": ["|="],
  "++": ["--"],
  "--": ["++"],
  "!": [""],
};

/** Words with which no statement begins that is left out. */
const KEPT = new Set([
  ...["const", "let", "if", "else", "for", "while", "do", "switch", "case"],
  ...["default", "class", "function", "import", "export", "try", "catch"],
  ...["finally", "static", "get", "set", "readonly", "async", "declare"],
]);

/** All changes of a file. */
function mutantsOf(file: string, source: string): Mutant[] {
  const tokens = tokensOf(stripTypeScriptTypes(source));
  const mutants: Mutant[] = [];
  const add = (from: number, to: number, text: string) =>
    mutants.push({ file, from, to, text });
  tokens.forEach((token, i) => {
    const before = tokens[i - 1]?.text ?? ";";
    const { kind, text, from, to } = token;
    if (kind === "number") {
      if (text.endsWith("n")) return;
      const value = Number(text.replaceAll("_", ""));
      add(from, to, `${value + 1}`);
      if (value > 0) add(from, to, `${value - 1}`);
    } else if (kind === "string") {
      const isModule = before === "from" || before === "import";
      // A sentence is for a person, and tests of sentences would be a burden.
      if (!isModule && /^.[\w-]*.$/.test(text)) {
        add(from, to, text.length === 2 ? '"mutant"' : '""');
      }
    } else if (text === "true" || text === "false") {
      add(from, to, text === "true" ? "false" : "true");
    } else if (kind === "sign") {
      for (const other of CHANGED[text] ?? []) add(from, to, other);
    }
    if (text === "if" && tokens[i + 1]?.text === "(") {
      const end = closing(tokens, i + 1);
      add(
        tokens[i + 1].to,
        tokens[end].from,
        `!(${source.slice(tokens[i + 1].to, tokens[end].from)})`,
      );
    }
    const end = statementEnd(tokens, i);
    if (end !== undefined) add(from, tokens[end].to, ";");
  });
  return mutants.filter((mutant) => {
    // One that is no code would be noticed by anything.
    try {
      stripTypeScriptTypes(apply(source, mutant));
      return true;
    } catch {
      return false;
    }
  });
}

/** The index of what closes the bracket at an index. */
function closing(tokens: readonly Token[], open: number): number {
  let depth = 0;
  for (let i = open; i < tokens.length; i++) {
    if ("([{".includes(tokens[i].text)) depth++;
    if (")]}".includes(tokens[i].text) && --depth === 0) return i;
  }
  return open;
}

/** The index of the semicolon of a statement that may be left out. */
function statementEnd(
  tokens: readonly Token[],
  start: number,
): number | undefined {
  const { text, kind } = tokens[start];
  const before = tokens[start - 1]?.text ?? ";";
  const isJump = ["return", "throw", "break", "continue"].includes(text);
  if (kind !== "word" || KEPT.has(text) || text.startsWith("#")) {
    return undefined;
  }
  if (![";", "{", "}", ")", "else", ":"].includes(before)) return undefined;
  if ([")", ":"].includes(before) && !isJump && text !== "this") {
    return undefined;
  }
  let depth = 0;
  for (let i = start; i < tokens.length; i++) {
    if ("([{".includes(tokens[i].text)) depth++;
    if (")]}".includes(tokens[i].text) && --depth < 0) return undefined;
    if (depth === 0 && tokens[i].text === ";") return i;
  }
  return undefined;
}

function apply(source: string, { from, to, text }: Mutant): string {
  return source.slice(0, from) + text + source.slice(to);
}

/** The line that a change is in, before and after. */
function linesOf(
  source: string,
  mutant: Mutant,
): { number: number; before: string; after: string } {
  const start = source.lastIndexOf("\n", mutant.from - 1) + 1;
  const end = (source + "\n").indexOf("\n", mutant.to);
  const tail = source.slice(mutant.to, end);
  const head = source.slice(start, mutant.from);
  return {
    number: source.slice(0, start).split("\n").length,
    before: source.slice(start, end).replaceAll(/\s+/g, " ").trim(),
    after: (head + mutant.text + tail).replaceAll(/\s+/g, " ").trim(),
  };
}

function say(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}

/** A copy of the repository in which one change at a time is tried. */
class Workshop {
  readonly folder = Deno.makeTempDirSync({ prefix: "mutants_" });

  constructor() {
    for (
      const name of [
        "src",
        "tests",
        ".std",
        "mod.ts",
        "handshake.ts",
        "deno.json",
      ]
    ) {
      copy(name, `${this.folder}/${name}`);
    }
    Deno.writeTextFileSync(`${this.folder}/preload.ts`, PRELOAD);
  }

  /** Whether the tests pass, one group after the other, each in its time. */
  async passes(groups: readonly Group[]): Promise<boolean> {
    for (const group of groups) {
      if (!(await this.run(group))) return false;
    }
    return true;
  }

  async run({ files, timeout }: Group): Promise<boolean> {
    const child = new Deno.Command(Deno.execPath(), {
      args: [
        ...["test", "--quiet", "--no-check", "--no-lock", "--fail-fast"],
        ...["--allow-all", `--preload=${this.folder}/preload.ts`, ...files],
      ],
      cwd: this.folder,
      stdout: "null",
      stderr: "null",
    }).spawn();
    const timer = setTimeout(() => child.kill("SIGKILL"), timeout);
    const { success } = await child.status;
    clearTimeout(timer);
    return success;
  }

  /** Whether the tests notice a change. */
  async notices(mutant: Mutant, source: string): Promise<boolean> {
    const path = `${this.folder}/${mutant.file}`;
    Deno.writeTextFileSync(path, apply(source, mutant));
    try {
      return !(await this.passes(groupsOf(mutant.file)));
    } finally {
      Deno.writeTextFileSync(path, source);
    }
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.folder, { recursive: true });
  }
}

function copy(from: string, to: string): void {
  if (!Deno.statSync(from).isDirectory) return Deno.copyFileSync(from, to);
  Deno.mkdirSync(to);
  for (const { name } of Deno.readDirSync(from)) {
    copy(`${from}/${name}`, `${to}/${name}`);
  }
}

/** Files of tests that are run together, and how long they may take. */
interface Group {
  readonly files: readonly string[];
  readonly timeout: number;
}

/** How long the tests of a folder take that find nothing, in milliseconds. */
const times = new Map<string, number>();

/** The tests of a folder. */
function testsOf(folder: string): string[] {
  return Array.from(Deno.readDirSync(folder), ({ name }) => name)
    .filter((name) => name.endsWith("_test.ts") && !SKIPPED.includes(name))
    .map((name) => `${folder}/${name}`).sort();
}

/** Where the tests of a file are. */
function folderOf(file: string): string {
  return file.slice(0, file.lastIndexOf("/")).replace("src", "tests");
}

/** The tests of a file: its own first, then those of its folder. */
function groupsOf(file: string): Group[] {
  const folder = folderOf(file);
  const all = testsOf(folder);
  const own = file.replace("src/", "tests/").replace(".ts", "_test.ts");
  const others = all.filter((name) => name !== own);
  const timeout = 10_000 + 4 * (times.get(folder) ?? 0);
  return [all.filter((name) => name === own), others]
    .filter((files) => files.length > 0)
    .map((files) => ({ files, timeout }));
}

function filesOf(path: string): string[] {
  if (!Deno.statSync(path).isDirectory) return [path];
  return Array.from(Deno.readDirSync(path), ({ name }) => `${path}/${name}`)
    .flatMap(filesOf).filter((name) => name.endsWith(".ts")).sort();
}

/** A number given as `--name=number`. */
function option(name: string, otherwise: number): number {
  const text = Deno.args.find((arg) => arg.startsWith(`--${name}=`));
  return text === undefined ? otherwise : Number(text.split("=")[1]);
}

const sample = option("sample", Infinity);
const seed = option("seed", 1);
const jobs = option("jobs", navigator.hardwareConcurrency);
const paths = Deno.args.filter((arg) => !arg.startsWith("--"));
const files = (paths.length === 0 ? DEFAULT : paths).flatMap(filesOf);

const work: { mutant: Mutant; source: string; index: number }[] = [];
const totals = new Map<
  string,
  { all: number; tried: number; noticed: number }
>();
files.forEach((file, index) => {
  const source = Deno.readTextFileSync(file);
  const mutants = mutantsOf(file, source).filter((mutant) => {
    const { before, after } = linesOf(source, mutant);
    return !EQUIVALENT.some((known) =>
      known.file === file && known.line === before &&
      (known.becomes === undefined || known.becomes === after)
    );
  });
  const all = mutants.length;
  const dice = new Dice(seed, index);
  while (mutants.length > sample) mutants.splice(dice.below(mutants.length), 1);
  totals.set(file, { all, tried: mutants.length, noticed: 0 });
  for (const mutant of mutants) {
    work.push({ mutant, source, index: work.length });
  }
});

say(`${work.length} changes in ${files.length} files, seed ${seed}`);
{
  using workshop = new Workshop();
  for (const folder of new Set(files.map(folderOf))) {
    const began = performance.now();
    const group = { files: testsOf(folder), timeout: 600_000 };
    if (!(await workshop.run(group))) {
      throw new Error(`The tests in ${folder} fail without any change`);
    }
    times.set(folder, performance.now() - began);
    say(`${folder} takes ${Math.round(performance.now() - began)} ms`);
  }
}

const began = performance.now();
let next = 0;
await Promise.all(Array.from({ length: jobs }, async () => {
  using workshop = new Workshop();
  while (next < work.length) {
    const { mutant, source } = work[next++];
    const total = totals.get(mutant.file);
    if (total === undefined) continue;
    if (await workshop.notices(mutant, source)) {
      total.noticed++;
      continue;
    }
    const { number, before, after } = linesOf(source, mutant);
    say(`${mutant.file}:${number} is not noticed\n  - ${before}\n  + ${after}`);
  }
}));

let tried = 0;
let noticed = 0;
say("");
for (const [file, total] of totals) {
  tried += total.tried;
  noticed += total.noticed;
  const share = (100 * total.noticed / total.tried).toFixed(1);
  say(
    `${
      share.padStart(5)
    } %  ${total.noticed}/${total.tried} of ${total.all}  ${file}`,
  );
}
const seconds = Math.round((performance.now() - began) / 1000);
say(
  `${
    (100 * noticed / tried).toFixed(1)
  } %: ${noticed} of ${tried} noticed, in ${seconds} s`,
);
