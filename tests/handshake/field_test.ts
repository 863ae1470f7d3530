// The grammar of fields: what a list parses into, and what is malformed.
import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  formatElements,
  hasToken,
  isToken,
  isTokenCode,
  isValue,
  isValueCode,
  parseElements,
  parseProtocols,
  parseTokens,
} from "../../src/handshake/field.ts";
import { assertLinear, random } from "./helpers.ts";

Deno.test("isTokenCode() knows the 77 characters of a token when asked for each code", () => {
  const delimiters = '"(),/:;<=>?@[\\]{}';
  for (let code = 0; code < 0x200; code++) {
    const visible = code > 0x20 && code < 0x7f;
    assertEquals(
      isTokenCode(code),
      visible && !delimiters.includes(String.fromCharCode(code)),
      `0x${code.toString(16)}`,
    );
  }
  assertEquals(isTokenCode(NaN), false);
});

Deno.test("isToken() refuses the empty text and any other character", () => {
  assert(isToken("permessage-deflate"));
  assert(isToken("__proto__"));
  for (const text of ["", "a b", "a,b", "ä", "a\0", "\u212a", "a\n"]) {
    assertEquals(isToken(text), false, text);
  }
});

Deno.test("isValueCode() allows HTAB and no other control character", () => {
  for (let code = 0; code < 0x200; code++) {
    assertEquals(
      isValueCode(code),
      code === 9 || code >= 0x20 && code < 0x7f || code >= 0x80 && code < 0x100,
      `0x${code.toString(16)}`,
    );
  }
});

Deno.test("isValue() takes the empty text, and refuses what any character spoils", () => {
  for (const text of ["", "a b", "\t\xff"]) assert(isValue(text));
  for (const text of ["\0", "a\n", "\ra", "a\u0100b"]) {
    assertEquals(isValue(text), false);
  }
});

Deno.test("hasToken() ignores case", () => {
  assert(hasToken(["keep-alive", "UpGrade"], "upgrade"));
  assertEquals(hasToken(["upgrades", "up"], "upgrade"), false);
  // U+212A, the Kelvin sign, becomes a "k" in lower case; it is no token.
  assertEquals(parseTokens("websoc\u212aet"), undefined);
});

Deno.test("parseTokens() splits at commas and skips empty elements", () => {
  const cases: [string, string[]][] = [
    ["chat", ["chat"]],
    ["chat, superchat", ["chat", "superchat"]],
    ["chat,superchat", ["chat", "superchat"]],
    [" \tchat \t,\t superchat\t", ["chat", "superchat"]],
    [",, chat,, ,superchat,", ["chat", "superchat"]],
    ["chat, chat", ["chat", "chat"]],
    ["Chat, chat", ["Chat", "chat"]],
    ["__proto__, constructor, toString", [
      "__proto__",
      "constructor",
      "toString",
    ]],
    ["", []],
    [" , ,\t,", []],
  ];
  for (const [text, tokens] of cases) {
    assertEquals(parseTokens(text), tokens, text);
  }
});

Deno.test("parseTokens() gives undefined when an element is no token", () => {
  for (
    const text of [
      "chat superchat",
      "chat; x",
      'chat, "superchat"',
      "chat/1",
      "ä",
      "chat\0",
      "chat\r\n",
      "=",
      "chat, ;",
    ]
  ) assertEquals(parseTokens(text), undefined, text);
});

Deno.test("parseProtocols() keeps the version of a protocol", () => {
  assertEquals(parseProtocols("websocket"), ["websocket"]);
  assertEquals(parseProtocols("h2c, HTTP/2.0,WebSocket"), [
    "h2c",
    "HTTP/2.0",
    "WebSocket",
  ]);
  assertEquals(parseProtocols(""), []);
  for (const text of ["websocket/", "/13", "a/b/c", "a /b", "a/ b", "@"]) {
    assertEquals(parseProtocols(text), undefined, text);
  }
});

Deno.test("parseElements() gives names, parameters and values in order", () => {
  const cases: [string, ReturnType<typeof parseElements>][] = [
    ["x", [{ name: "x", parameters: [] }]],
    ["x; a", [{ name: "x", parameters: [["a", null]] }]],
    ["x;a=1;b=2", [{ name: "x", parameters: [["a", "1"], ["b", "2"]] }]],
    ["x ;\ta=1 ; b , y", [
      { name: "x", parameters: [["a", "1"], ["b", null]] },
      { name: "y", parameters: [] },
    ]],
    ["x; a=1; a=2; a", [
      { name: "x", parameters: [["a", "1"], ["a", "2"], ["a", null]] },
    ]],
    ["permessage-deflate; client_max_window_bits, permessage-deflate", [
      {
        name: "permessage-deflate",
        parameters: [["client_max_window_bits", null]],
      },
      { name: "permessage-deflate", parameters: [] },
    ]],
    ['x; a=""', [{ name: "x", parameters: [["a", ""]] }]],
    ['x; a="1"; b="\\"\\\\\\1"', [
      { name: "x", parameters: [["a", "1"], ["b", '"\\1']] },
    ]],
    ['x; a="\t \xff"', [{ name: "x", parameters: [["a", "\t \xff"]] }]],
    ['x; a="1;b=2"', [{ name: "x", parameters: [["a", "1;b=2"]] }]],
    [",x,,", [{ name: "x", parameters: [] }]],
    ["", []],
  ];
  for (const [text, elements] of cases) {
    assertEquals(parseElements(text), elements, text);
  }
});

Deno.test("parseElements() does not split when a comma is in quotes", () => {
  assertEquals(parseElements('x; y=",permessage-deflate,"'), [
    { name: "x", parameters: [["y", ",permessage-deflate,"]] },
  ]);
});

Deno.test("parseElements() takes names of Object.prototype for ordinary strings", () => {
  const names = ["__proto__", "constructor", "toString", "hasOwnProperty"];
  for (const name of names) {
    assertEquals(parseElements(name), [{ name, parameters: [] }]);
    assertEquals(parseElements(`x; ${name}=${name}; ${name}`), [
      { name: "x", parameters: [[name, name], [name, null]] },
    ]);
  }
  assertEquals(Object.hasOwn(Object.prototype, "x"), false);
});

Deno.test("parseElements() gives undefined when the list is malformed", () => {
  for (
    const text of [
      ";",
      "x;",
      "x; a=1;",
      "x;;a",
      "x; =1",
      "x; a=",
      "x; a =1",
      "x; a= 1",
      "x; a=1 2",
      "x y",
      "x=1",
      'x; a="',
      'x; a="\\',
      'x; a="\\"',
      'x; a="1"2',
      'x; a="1\n"',
      'x; a="\\\0"',
      'x; a="\x7f"',
      'x; a="\u0100"',
      'x; "a"=1',
      '"x"',
      "x, ;",
      "x; a=1, y; @",
    ]
  ) assertEquals(parseElements(text), undefined, text);
});

Deno.test("formatElements() writes elements and their parameters in order", () => {
  assertEquals(
    formatElements([
      { name: "x", parameters: [["a", null], ["b", "1"], ["a", "1"]] },
      { name: "y", parameters: [] },
    ]),
    "x; a; b=1; a=1, y",
  );
  assertEquals(formatElements([]), "");
});

Deno.test("formatElements() throws a TypeError at what is no token, as values must be too", () => {
  for (const name of ["", "a b", "a\r\n", "a,b", 'a"', "a\0", "ä", "\u0100"]) {
    const message = "it is not a token";
    assertThrows(
      () => formatElements([{ name, parameters: [] }]),
      TypeError,
      message,
    );
    for (
      const parameter of [[name, null], [name, "1"], ["a", name]] as const
    ) {
      assertThrows(
        () => formatElements([{ name: "x", parameters: [parameter] }]),
        TypeError,
        message,
      );
    }
  }
});

Deno.test("parseElements() gives back what formatElements() was given", () => {
  const next = random(7);
  const chars = "ab1-!#$%&'*+.^_`|~";
  for (let round = 0; round < 500; round++) {
    const value = Array.from(
      { length: 1 + Math.floor(next() * 8) },
      () => chars[Math.floor(next() * chars.length)],
    ).join("");
    const elements = [
      { name: "x", parameters: [["a", value], ["b", null]] as const },
      { name: "y", parameters: [["__proto__", value]] as const },
    ];
    assertEquals(parseElements(formatElements(elements)), elements);
  }
});

Deno.test("parseElements() takes linear time when the field is adversarial", () => {
  const fields: ((size: number) => string)[] = [
    (size) => "x; a=" + '"' + "\\".repeat(size),
    (size) => 'x; a="' + '\\"'.repeat(size / 2),
    (size) => "x; a" + " ".repeat(size) + "=",
    (size) => ",".repeat(size),
    (size) => "x" + " ".repeat(size) + "\0",
    (size) => "x" + ";a".repeat(size / 2) + "@",
    (size) => "x,".repeat(size / 2) + "@",
    (size) => "a".repeat(size) + '"',
    (size) => 'x; a="' + "\\a".repeat(size / 2),
  ];
  for (const field of fields) {
    assertLinear(
      JSON.stringify(field(8)),
      (size) => assertEquals(parseElements(field(size))?.length ?? 0, 0),
      1 << 13,
    );
  }
  // As long as no head will let it be: 64 KiB, in one go.
  for (const field of fields) parseElements(field(1 << 16));
});
