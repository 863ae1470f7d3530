// The URLs that a WebSocket may have, and the credentials in them.
import { assertEquals, assertThrows } from "@std/assert";
import { basicCredentials, parseUrl } from "../../src/handshake/url.ts";

Deno.test("parseUrl() takes four schemes", () => {
  for (const scheme of ["ws", "wss", "http", "https", "WSS"]) {
    assertEquals(parseUrl(`${scheme}://example.com/a?b`).host, "example.com");
  }
  assertEquals(parseUrl(new URL("ws://a/")).href, "ws://a/");
});

Deno.test("parseUrl() throws when a WebSocket cannot have the URL", () => {
  const cases: [string | URL, string][] = [
    ["", "Invalid URL"],
    ["/chat", "Invalid URL"],
    ["ws://", "Invalid URL"],
    ["ws://a b/", "Invalid URL"],
    ["ws://a:65536/", "Invalid URL"],
    ["ftp://example.com/", "ftp:"],
    ["data:,a", "data:"],
    ["ws://example.com/#", "fragment"],
    ["ws://example.com/#a", "fragment"],
    [new URL("ws://example.com/?a#b"), "fragment"],
  ];
  for (const [url, message] of cases) {
    assertThrows(() => parseUrl(url), TypeError, message);
  }
});

Deno.test("parseUrl() throws when CR, LF, NUL or another control character is anywhere", () => {
  for (const bad of ["\r", "\n", "\t", "\0", "\x1f", "\x7f", "\r\nHost: b"]) {
    for (
      const url of [
        `ws://exam${bad}ple.com/`,
        `ws://example.com/ch${bad}at`,
        `ws://example.com/?a${bad}b`,
        `ws://us${bad}er@example.com/`,
        `w${bad}s://example.com/`,
        `ws://example.com/${bad}`,
      ]
    ) assertThrows(() => parseUrl(url), TypeError, "control character");
  }
});

Deno.test("basicCredentials() gives what RFC 7617 wants", () => {
  const cases: [string, string | undefined][] = [
    ["ws://example.com/", undefined],
    ["ws://@example.com/", undefined],
    // RFC 7617, section 2, and with a pound sign in UTF-8 section 2.1
    ["ws://Aladdin:open%20sesame@a/", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="],
    ["ws://test:123\xa3@a/", "Basic dGVzdDoxMjPCow=="],
    ["ws://test:123%C2%a3@a/", "Basic dGVzdDoxMjPCow=="],
    ["ws://user@a/", `Basic ${btoa("user:")}`],
    ["ws://:pass@a/", `Basic ${btoa(":pass")}`],
    ["ws://u:a:b%3ac@a/", `Basic ${btoa("u:a:b:c")}`],
    ["ws://u:%zz%a@a/", `Basic ${btoa("u:%zz%a")}`],
    ["ws://u:%FF%4@a/", `Basic ${btoa("u:\xff%4")}`],
  ];
  for (const [url, value] of cases) {
    assertEquals(basicCredentials(new URL(url)), value, url);
  }
});

Deno.test("basicCredentials() throws when the credentials cannot be sent", () => {
  for (const userinfo of ["a%3Ab", "a%0D", "%7f", ":%00", "a:b%0A"]) {
    assertThrows(
      () => basicCredentials(new URL(`ws://${userinfo}@example.com/`)),
      TypeError,
      "credentials",
    );
  }
});
