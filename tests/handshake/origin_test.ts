// What is an authority, an origin and a target.
import { assert, assertEquals } from "@std/assert";
import {
  isAuthority,
  isTarget,
  normaliseOrigin,
} from "../../src/handshake/origin.ts";
import { assertLinear } from "./helpers.ts";

Deno.test("isAuthority() takes a host with or without a port", () => {
  for (
    const text of [
      "example.com",
      "EXAMPLE.com:8080",
      "example.com:", // an empty port is the default one (RFC 3986, 3.2.3)
      "127.0.0.1:80",
      "[::1]",
      "[::ffff:127.0.0.1]:443",
      "[FE80::1]",
      "my_host-1~a.b%20",
      "localhost",
    ]
  ) assert(isAuthority(text), text);
});

Deno.test("isAuthority() refuses anything else", () => {
  for (
    const text of [
      "",
      ":80",
      "a:b",
      "a:80:80",
      "a:8o",
      "user@example.com",
      "example.com/",
      "example.com?",
      "example.com#",
      "a b",
      "a, b",
      "a\\b",
      "b\xfccher.example",
      "\u212aelvin",
      "\u0161",
      "a\0",
      "[",
      "[]",
      "[::1",
      "[::1]a",
      "[::g]",
      "[::1]:x",
      "::1",
      "[::1%25eth0]",
    ]
  ) assertEquals(isAuthority(text), false, text);
});

Deno.test("normaliseOrigin() lowers the case and drops a default port", () => {
  const cases: [string, string][] = [
    ["https://example.com", "https://example.com"],
    ["HTTPS://Example.COM:443", "https://example.com"],
    ["http://example.com:80", "http://example.com"],
    ["ws://example.com:80", "ws://example.com"],
    ["wss://example.com:443", "wss://example.com"],
    ["http://example.com:443", "http://example.com:443"],
    ["https://example.com:", "https://example.com"],
    ["http://[::1]:8080", "http://[::1]:8080"],
    ["http://127.0.0.1", "http://127.0.0.1"],
    ["chrome-extension://abcdef", "chrome-extension://abcdef"],
    ["a+b.c-1://x:1", "a+b.c-1://x:1"],
    ["file://", "file://"],
    ["null", "null"],
  ];
  for (const [text, origin] of cases) {
    assertEquals(normaliseOrigin(text), origin, text);
  }
});

Deno.test("normaliseOrigin() gives undefined when it is no origin", () => {
  for (
    const text of [
      "",
      "NULL",
      "example.com",
      "https:example.com",
      "https:/example.com",
      "https:\\\\example.com",
      "https://",
      "://example.com",
      "1a://example.com",
      "h_t://example.com",
      "h\xe4://example.com",
      "https://example.com/",
      "https://example.com/path",
      "https://example.com?x",
      "https://example.com#x",
      "https://user@example.com",
      "https://a.example, https://b.example",
      "https://a.example https://b.example",
      " https://example.com",
      "https://b\xfccher.example",
      "https://example.com:https",
      "*",
      "https://*\0",
    ]
  ) assertEquals(normaliseOrigin(text), undefined, text);
});

Deno.test("isTarget() takes a path, and an absolute URI of four schemes", () => {
  for (
    const target of [
      "/",
      "/chat?a=1",
      "//example.com/",
      "/http://",
      "http://example.com",
      "HTTP://example.com/chat",
      "https://[::1]:8443?a",
      "ws://example.com:80/",
      "wss://example.com/a?b",
    ]
  ) assert(isTarget(target), target);
});

Deno.test("isTarget() refuses any other target", () => {
  for (
    const target of [
      "",
      "*",
      "chat",
      "example.com:443",
      "/chat#a",
      "http://example.com/#",
      "http://",
      "http:///chat",
      "http:/chat",
      "http://user@example.com/",
      "http://a b/",
      "ftp://example.com/",
      "://example.com/",
      "constructor://example.com/",
    ]
  ) assertEquals(isTarget(target), false, target);
});

Deno.test("normaliseOrigin() takes linear time when the origin is adversarial", () => {
  const origins: ((size: number) => string)[] = [
    (size) => "a".repeat(size),
    (size) => ":/".repeat(size / 2),
    (size) => "http://" + "a".repeat(size) + "@",
    (size) => "http://a:" + "0".repeat(size) + "x",
    (size) => "http://[" + ":".repeat(size),
  ];
  for (const origin of origins) {
    assertLinear(
      origin(4),
      (size) => assertEquals(normaliseOrigin(origin(size)), undefined),
      1 << 14,
    );
  }
});
