import { assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import type { ClientExtension, ServerExtension } from "@noio/ws";
import { HandshakeError } from "../../src/errors.ts";
import {
  checkClaims,
  judgeExtensions,
  offerExtensions,
  takeExtensions,
} from "../../src/handshake/extensions.ts";
import { Twice, Xor, xor } from "../helpers/extensions.ts";

const twice: ClientExtension & ServerExtension = {
  name: "twice",
  reserved: [0, 0, 0],
  offers: () => [[], [["loud", null]]],
  accept: () => new Twice(),
  answer: (parameters) => ({ parameters, extension: new Twice() }),
};

Deno.test("offerExtensions() lists each offer of each extension in order", () => {
  assertEquals(offerExtensions([]), "");
  assertEquals(
    offerExtensions([xor(7), twice]),
    "xor; by=7, twice, twice; loud",
  );
});

Deno.test("offerExtensions() throws a TypeError at what is no token", () => {
  for (
    const value of ["", "b c", 'b"c', "b;c", "b,c", "b=c", "b\\", "\u00f6"]
  ) {
    const odd = { ...twice, offers: () => [[["a", value] as const]] };
    assertThrows(
      () => offerExtensions([odd]),
      TypeError,
      `Cannot write ${JSON.stringify(value)} into a field: it is not a token`,
    );
  }
});

Deno.test("judgeExtensions() gives the extensions in the order of the answer", () => {
  assertEquals(judgeExtensions("", [xor(7)]), []);
  const [first, second] = judgeExtensions("twice, xor; by=7", [xor(7), twice]);
  assertInstanceOf(first, Twice);
  assertInstanceOf(second, Xor);
});

const none: ClientExtension = {
  ...twice,
  name: "none",
  accept: () => undefined as unknown as Twice, // untyped
};

/** It claims more than it says. */
const greedy: ClientExtension = {
  ...twice,
  name: "greedy",
  accept: () => new Xor(1),
};

/** It throws what is no error. */
const odd: ClientExtension = {
  ...twice,
  name: "odd",
  accept() {
    throw "odd";
  },
};

Deno.test("judgeExtensions() tries each offer of the same name", () => {
  const [agreed] = judgeExtensions("xor; by=8", [xor(7), xor(8)]);
  assertEquals(agreed.parameters, [["by", "8"]]);
});

for (
  const [field, message] of [
    ["other", 'The extension "other" was not offered'],
    ["__proto__", 'The extension "__proto__" was not offered'],
    ["constructor", 'The extension "constructor" was not offered'],
    ["toString", 'The extension "toString" was not offered'],
    ["xor; by=8", 'The extension "xor" was answered wrongly: by is not 7'],
    ["xor", 'The extension "xor" was answered wrongly: by is not 7'],
    ["odd", 'The extension "odd" was answered wrongly'],
    ["none", 'The extension "none" was answered wrongly'],
    ["greedy", "it claims the bits [0,1,1] and said [0,0,0]"],
    ["xor; by=7, xor; by=7", "Two extensions claim the same reserved bit"],
    ["xor; by=", "Sec-WebSocket-Extensions is malformed"],
    ["xor; ; by=7", "Sec-WebSocket-Extensions is malformed"],
  ]
) {
  Deno.test(`judgeExtensions() throws a HandshakeError for ${field}`, () => {
    const error = assertThrows(
      () => judgeExtensions(field, [xor(7), odd, none, greedy]),
      HandshakeError,
      message,
    );
    assertEquals(error.rule, "extension");
  });
}

Deno.test("takeExtensions() takes what the server has, in the client's order", () => {
  const taken = takeExtensions("other, twice; loud, xor; by=3", [
    xor(7),
    twice,
  ]);
  assertEquals(taken?.field, "twice; loud, xor; by=3");
  assertEquals(taken?.extensions.map(({ name }) => name), ["twice", "xor"]);
});

Deno.test("takeExtensions() takes the first of several offers that is answered", () => {
  const taken = takeExtensions("xor; to=3, xor; by=4, xor; by=5", [xor(7)]);
  assertEquals(taken?.field, "xor; by=4");
});

Deno.test("takeExtensions() declines what claims a bit that is taken", () => {
  const rival = { ...xor(7), name: "rival" };
  const taken = takeExtensions("rival; by=1, xor; by=2, twice", [
    xor(7),
    rival,
    twice,
  ]);
  assertEquals(taken?.field, "rival; by=1, twice");
});

Deno.test("takeExtensions() takes an extension of one name only once", () => {
  assertEquals(takeExtensions("twice, twice", [twice])?.field, "twice");
});

Deno.test("takeExtensions() declines an offer at which the extension throws", () => {
  assertEquals(takeExtensions("xor; by=x", [xor(7)])?.field, "");
});

Deno.test("takeExtensions() declines an offer whose answer cannot be written", () => {
  // Twice gives back what was offered; a quoted string may hold anything.
  const taken = takeExtensions('twice; a="b c", xor; by=1', [twice, xor(7)]);
  assertEquals(taken?.field, "xor; by=1");
  assertEquals(taken?.extensions.map(({ name }) => name), ["xor"]);
});

Deno.test("takeExtensions() declines an offer whose extension is no good", () => {
  const bad = (answer: unknown): ServerExtension => ({
    ...twice,
    name: "bad",
    answer: () => answer as ReturnType<ServerExtension["answer"]>, // untyped
  });
  for (
    const answer of [
      // More bits than were said to be claimed: xor may have them already.
      { parameters: [], extension: new Xor(1) },
      { parameters: [] },
      { extension: new Twice() },
      "twice",
      null,
    ]
  ) {
    const offers = "xor; by=1, bad, twice";
    const taken = takeExtensions(offers, [bad(answer), xor(7), twice]);
    assertEquals(taken?.field, "xor; by=1, twice");
  }
});

Deno.test("an extension may claim fewer bits than was said of it", () => {
  const able: ClientExtension & ServerExtension = {
    ...twice,
    name: "able",
    reserved: [0, 1, 1],
  };
  assertEquals(takeExtensions("able", [able])?.field, "able");
  assertEquals(judgeExtensions("able", [able]).length, 1);
});

Deno.test("takeExtensions() answers nothing to who offers nothing", () => {
  assertEquals(takeExtensions("", [xor(7)]), { field: "", extensions: [] });
});

Deno.test("takeExtensions() takes a comma in quotes for no end of an offer", () => {
  assertEquals(takeExtensions('x; y=",twice,"', [twice])?.field, "");
});

Deno.test("takeExtensions() gives nothing for a malformed field", () => {
  assertEquals(takeExtensions("xor; by=", [xor(7)]), undefined);
});

Deno.test("checkClaims() throws where the application claims the same bit", () => {
  checkClaims([xor(7), twice], undefined);
  checkClaims([xor(7), twice], [1, 0, 0]);
  assertThrows(
    () => checkClaims([twice, xor(7)], [0, 0, 1]),
    RangeError,
    'Cannot use the extension "xor"',
  );
});
