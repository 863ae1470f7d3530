// Several extensions in a row (RFC 6455, section 9.1).
import {
  assert,
  assertEquals,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import {
  type Extension,
  ExtensionError,
  type PartPosition,
} from "../../src/extensions/extension.ts";
import { Pipeline } from "../../src/extensions/pipeline.ts";
import type { Reserved } from "../../src/framing/frame.ts";
import { concat, toHex, utf8 } from "../helpers/bytes.ts";
import { Twice, Xor } from "../helpers/extensions.ts";

/** An extension that notes what it is asked, and gives back what it is given. */
class Spy implements Extension {
  readonly parameters = [];
  readonly name: string;
  readonly reserved: Reserved;
  readonly asked: unknown[] = [];
  readonly #log: string[];
  sharedKey?: () => string | undefined;

  constructor(
    name: string,
    reserved: Reserved = [0, 0, 0],
    log: string[] = [],
    key?: string,
  ) {
    this.name = name;
    this.reserved = reserved;
    this.#log = log;
    if (key !== undefined) this.sharedKey = () => key;
  }

  begin(reserved: Reserved, type: string): boolean {
    this.asked.push([reserved, type]);
    this.#log.push(`${this.name}.begin`);
    return reserved.includes(1);
  }

  decode(
    part: Uint8Array<ArrayBuffer>,
  ): Iterable<Uint8Array<ArrayBuffer>> {
    this.#log.push(`${this.name}.decode`);
    return [part];
  }

  beginEncoding(message: unknown): Reserved | undefined {
    this.asked.push(message);
    return this.name === "out" ? undefined : this.reserved;
  }

  encode(part: Uint8Array): Uint8Array {
    this.#log.push(`${this.name}.encode`);
    return part;
  }

  close(): void {
    this.#log.push(`${this.name}.close`);
  }
}

const LIMIT = 1000;
const END = { frameEnd: true, messageEnd: true, budget: LIMIT };

function pipeline(...extensions: Extension[]): Pipeline {
  return new Pipeline(extensions, 0, LIMIT);
}

Deno.test("new Pipeline() knows the bits that the extensions claim, without the application's", () => {
  assertEquals(pipeline().bits, 0);
  assertEquals(pipeline(new Twice()).bits, 0);
  assertEquals(new Pipeline([new Xor(1)], 4, LIMIT).bits, 3);
  assertEquals(pipeline(new Spy("a", [1, 0, 0]), new Xor(1)).bits, 7);
});

Deno.test("new Pipeline() throws a RangeError where a bit is claimed twice", () => {
  const message =
    'Cannot use the extension "xor": a reserved bit of [0,1,1] is claimed already';
  for (const bits of [1, 2, 3, 7]) {
    assertThrows(
      () => new Pipeline([new Xor(1)], bits, LIMIT),
      RangeError,
      message,
    );
  }
  assertThrows(
    () => pipeline(new Spy("a", [0, 0, 1]), new Xor(1)),
    RangeError,
    message,
  );
});

Deno.test("begin() shows each extension its own bits alone", () => {
  const a = new Spy("a", [1, 0, 0]);
  const b = new Spy("b", [0, 1, 1]);
  const both = pipeline(a, b);
  assertEquals(both.begin(0b110, "text"), { decodes: true, stray: 0 });
  assertEquals(a.asked, [[[1, 0, 0], "text"]]);
  assertEquals(b.asked, [[[0, 1, 0], "text"]]);
  assertEquals(both.begin(0, "own"), { decodes: false, stray: 0 });
  assertEquals(a.asked[1], [[0, 0, 0], "own"]);
});

Deno.test("begin() tells of bits whose extension does not want the message", () => {
  // Xor wants RSV2; with RSV3 alone the message is nobody's.
  const one = pipeline(new Xor(1), new Twice());
  assertEquals(one.begin(1, "text"), { decodes: true, stray: 1 });
  assertEquals(pipeline(new Xor(1)).begin(1, "text"), {
    decodes: false,
    stray: 1,
  });
});

Deno.test("what is sent goes through in order, what is received in the opposite one", () => {
  const log: string[] = [];
  const a = new Spy("a", [1, 0, 0], log);
  const b = new Spy("b", [0, 1, 0], log);
  const c = new Spy("c", [0, 0, 1], log);
  const all = pipeline(a, b, c);
  all.beginEncoding({ type: "text", length: 1, fin: true, compress: true });
  all.encode(utf8("x"), true);
  assertEquals(log.splice(0), ["a.encode", "b.encode", "c.encode"]);
  all.begin(7, "text");
  log.length = 0;
  assertEquals(concat(...all.decode(utf8("x"), END)), utf8("x"));
  // The part, and behind it the end: of what `c` makes, then of what `b` makes.
  assertEquals(
    log.map((line) => line[0]),
    ["c", "b", "a", "b", "a", "a"],
  );
});

Deno.test("beginEncoding() gives the bits of all, and leaves out who does not want", () => {
  const log: string[] = [];
  const a = new Spy("a", [1, 0, 0], log);
  const out = new Spy("out", [0, 1, 0], log);
  const none = new Spy("none", [0, 0, 0], log);
  const some = pipeline(a, out, none);
  const message = { type: "own", length: 3, fin: false, compress: undefined };
  assertEquals(some.beginEncoding(message), 4);
  assertStrictEquals(out.asked[0], message);
  some.encode(utf8("x"), true);
  assertEquals(log, ["a.encode", "none.encode"]);
});

Deno.test("beginEncoding() throws a RangeError at a bit that was not claimed", () => {
  const message = { type: "own", length: 3, fin: false, compress: undefined };
  const greedy = new Spy("greedy", [1, 0, 0]);
  greedy.beginEncoding = () => [1, 0, 1];
  assertThrows(
    () => pipeline(greedy).beginEncoding(message),
    RangeError,
    'The extension "greedy" sets a reserved bit of [1,0,1] that it has not claimed',
  );
});

Deno.test("save() and abandon() tell all extensions, whether they encode or not", () => {
  const log: string[] = [];
  const a = new Spy("a", [1, 0, 0], log);
  const out = new Spy("out", [0, 1, 0], log);
  for (const spy of [a, out]) {
    Object.assign(spy, {
      save: () => log.push(`${spy.name}.save`),
      abandon: () => log.push(`${spy.name}.abandon`),
    });
  }
  const all = pipeline(a, new Twice(), out);
  all.save();
  all.beginEncoding({ type: "own", length: 1, fin: true, compress: true });
  all.encode(utf8("x"), false);
  all.encode(utf8("y"), true);
  all.abandon();
  assertEquals(log, [
    ...["a.save", "out.save", "a.encode", "a.encode"],
    ...["a.abandon", "out.abandon"],
  ]);
  assertEquals(all.encodes, false);
});

Deno.test("abandon() tells all, though one of them cannot", () => {
  const log: string[] = [];
  const first = new Spy("first", [1, 0, 0], log);
  const second = new Spy("second", [0, 1, 0], log);
  Object.assign(first, {
    abandon() {
      throw new Error("stuck");
    },
  });
  Object.assign(second, { abandon: () => log.push("abandon") });
  const both = pipeline(first, second);
  both.save();
  both.abandon();
  assertEquals(log, ["abandon"]);
});

Deno.test("encode() gives back the payload where nobody wants the message", () => {
  const one = pipeline(new Xor(1));
  const payload = utf8("x");
  assertEquals(
    one.beginEncoding({ type: "own", length: 1, fin: true, compress: true }),
    0,
  );
  assertStrictEquals(one.encode(payload, true), payload);
});

Deno.test("sharedKey() puts the keys together, if each has one", () => {
  const message = { type: "text", length: 3, fin: true, compress: undefined };
  const zero: Reserved = [0, 0, 0];
  const a = new Spy("a", zero, [], "1");
  const b = new Spy("b", zero, [], "2");
  const one = pipeline(a).sharedKey(message);
  const two = pipeline(a, b).sharedKey(message);
  assert(one !== undefined && two !== undefined && one !== two);
  assertEquals(pipeline(a, b).sharedKey(message), two);
  // Whatever an extension's key is, it is not taken for that of two.
  for (const key of ["1,b=2", "1b=1:2", "1b=2", "1;b=2", '1"b=2', two]) {
    const odd = new Spy("a", zero, [], key);
    assert(pipeline(odd).sharedKey(message) !== two, key);
  }
  assertEquals(pipeline(a, new Twice()).sharedKey(message), undefined);
  b.sharedKey = () => undefined;
  assertEquals(pipeline(a, b).sharedKey(message), undefined);
});

Deno.test("decode() tells only the last part where the frame and the message end", () => {
  const last = new Twice();
  const both = pipeline(last, new Xor(0));
  both.begin(2, "text");
  const budget = LIMIT;
  const parts: [string, PartPosition][] = [
    ["aa", { frameEnd: false, messageEnd: false, budget }],
    ["bb", { frameEnd: true, messageEnd: false, budget }],
    ["", { frameEnd: true, messageEnd: true, budget }],
  ];
  const pieces = parts.map(([part, position]) =>
    concat(...both.decode(utf8(part), position))
  );
  assertEquals(pieces, [utf8("a"), utf8("b"), utf8("")]);
  const within = { frameEnd: false, messageEnd: false, budget };
  assertEquals(last.positions, [
    within,
    within,
    { frameEnd: true, messageEnd: false, budget: budget - 1 },
    { frameEnd: true, messageEnd: true, budget },
  ]);
});

Deno.test("decode() is lazy: no piece is made before it is asked for", () => {
  const log: string[] = [];
  const a = new Spy("a", [1, 0, 0], log);
  const both = pipeline(a, new Twice());
  both.begin(4, "text");
  log.length = 0;
  const pieces = both.decode(utf8("xxyy"), END)[Symbol.iterator]();
  assertEquals(log, []);
  assertEquals(pieces.next(), { value: utf8("x"), done: false });
  assertEquals(log, ["a.decode"]);
});

Deno.test("decode() lets go of those before where it is left", () => {
  let isLeft = false;
  class Endless extends Spy {
    override *decode(): Generator<Uint8Array<ArrayBuffer>> {
      try {
        for (;;) yield utf8("x");
      } finally {
        isLeft = true;
      }
    }
  }
  const both = pipeline(
    new Spy("a", [1, 0, 0]),
    new Endless("b", [0, 1, 0]),
  );
  both.begin(6, "text");
  for (const piece of both.decode(utf8(""), END)) {
    assertEquals(piece, utf8("x"));
    break;
  }
  assert(isLeft);
});

/** Decodes parts, and gives what came of them before they failed, if they did. */
function decoded(
  both: Pipeline,
  parts: readonly Uint8Array<ArrayBuffer>[],
): { bytes: Uint8Array; error: unknown } {
  const pieces: Uint8Array[] = [];
  try {
    for (const [i, part] of parts.entries()) {
      const isLast = i === parts.length - 1;
      const position = { ...END, frameEnd: isLast, messageEnd: isLast };
      for (const piece of both.decode(part, position)) pieces.push(piece);
    }
  } catch (error) {
    return { bytes: concat(...pieces), error };
  }
  return { bytes: concat(...pieces), error: undefined };
}

Deno.test("decode() counts what is made between two extensions, over all parts of a message", () => {
  // Twice halves what Xor gives: at the end there is never too much.
  for (const size of [1, 7, 5000]) {
    for (const [length, good] of [[998, 1], [1000, 1], [1001, 0], [1002, 0]]) {
      const both = pipeline(new Twice(), new Xor(0));
      const parts = [];
      for (let at = 0; at < length; at += size) {
        parts.push(new Uint8Array(Math.min(size, length - at)));
      }
      // A message before it counts nothing.
      for (const _ of [1, 2]) {
        both.begin(2, "text");
        const { bytes, error } = decoded(both, parts);
        assertEquals(bytes.length, Math.min(length, LIMIT) >> 1);
        if (good === 1) {
          assertEquals(error, undefined);
        } else {
          assert(error instanceof ExtensionError);
          assertEquals(error.code, 1009);
          assertEquals(
            error.message,
            'Received a message that "xor" decodes to more than 1000 bytes',
          );
        }
      }
    }
  }
});

/** How much might come of each part that it was given. */
function budgets({ positions }: Twice): number[] {
  return positions.map(({ budget }) => budget);
}

Deno.test("decode() tells each but the last how much may come of it", () => {
  const first = new Twice();
  const both = pipeline(new Twice(), first);
  both.begin(0, "text");
  decoded(both, [new Uint8Array(400), new Uint8Array(100)]);
  assertEquals(budgets(first), [1000, 800]);
});

Deno.test("decode() tells the last how much may still come, within a part too", () => {
  class Split extends Spy {
    override *decode(part: Uint8Array<ArrayBuffer>) {
      for (let at = 0; at < part.length; at += 30) {
        yield part.subarray(at, at + 30);
      }
    }
  }
  const [a, b] = [new Split("a", [1, 0, 0]), new Split("b", [0, 1, 0])];
  for (const before of [[a], [a, b]]) {
    const last = new Twice();
    const all = pipeline(last, ...before);
    all.begin(6, "text");
    // Three pieces, of 15 bytes, of 15 and of 10, and the end.
    const part = new Uint8Array(80);
    const { length } = concat(...all.decode(part, { ...END, budget: 50 }));
    assertEquals(length, 40);
    assertEquals(budgets(last), [50, 35, 20, 10]);
  }
});

Deno.test("close() closes all", () => {
  const log: string[] = [];
  const both = pipeline(
    new Spy("a", [1, 0, 0], log),
    new Spy("b", [0, 1, 0], log),
  );
  both.begin(4, "text");
  both.beginEncoding({ type: "text", length: 1, fin: true, compress: true });
  log.length = 0;
  both.close();
  assertEquals(log, ["a.close", "b.close"]);
  assertEquals(toHex(both.encode(utf8("a"), true)), "61");
});
