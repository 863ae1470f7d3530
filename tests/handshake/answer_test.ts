// What a server may say in place of a 101.
import { assertEquals, assertThrows } from "@std/assert";
import {
  encodeAnswer,
  encodeResponse,
  type RequestAnswer,
} from "../../src/handshake/answer.ts";
import { bytes, text } from "./helpers.ts";

Deno.test("encodeAnswer() writes a text with its length and type", () => {
  const answer = {
    status: 401,
    reason: "Unauthorized",
    headers: { "WWW-Authenticate": 'Basic realm="a"' },
    body: "Wer da?\u2026",
  };
  const { response, bytes } = encodeAnswer(answer, "GET");
  assertEquals(
    text(bytes),
    "HTTP/1.1 401 Unauthorized\r\n" +
      "Connection: close\r\n" +
      "Content-Length: 10\r\n" +
      "Content-Type: text/plain; charset=utf-8\r\n" +
      'Www-Authenticate: Basic realm="a"\r\n' +
      "\r\n" +
      "Wer da?\xe2\x80\xa6",
  );
  assertEquals(response.status, 401);
});

Deno.test("encodeAnswer() writes bytes and the type that is given", () => {
  const cases: [RequestAnswer, string][] = [
    [
      { status: 200, reason: "OK", body: Uint8Array.of(0, 255) },
      "200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n\0\xff",
    ],
    [
      { status: 200, headers: { "Content-Type": "text/html" }, body: "<p>" },
      "200 \r\nConnection: close\r\nContent-Length: 3\r\nContent-Type: text/html\r\n\r\n<p>",
    ],
    [
      {
        status: 302,
        headers: [["Location", "/a"], ["Set-Cookie", "a"], ["Set-Cookie", "b"]],
      },
      "302 \r\nConnection: close\r\nContent-Length: 0\r\nLocation: /a\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n\r\n",
    ],
    [
      { status: 426, headers: { Upgrade: "foo" }, body: "" },
      "426 Upgrade Required\r\nConnection: close, Upgrade\r\nContent-Length: 0\r\nUpgrade: foo\r\n\r\n",
    ],
    [{ status: 204 }, "204 \r\nConnection: close\r\n\r\n"],
    [{ status: 304, body: "" }, "304 \r\nConnection: close\r\n\r\n"],
  ];
  for (const [answer, expected] of cases) {
    assertEquals(
      text(encodeAnswer(answer, "GET").bytes),
      `HTTP/1.1 ${expected}`,
    );
  }
});

Deno.test("encodeAnswer() leaves the body out when the method is HEAD", () => {
  assertEquals(
    text(
      encodeAnswer({ status: 200, body: Uint8Array.of(1, 2) }, "HEAD").bytes,
    ),
    "HTTP/1.1 200 \r\nConnection: close\r\nContent-Length: 2\r\n\r\n",
  );
});

Deno.test("encodeAnswer() throws when the status is none for an answer", () => {
  for (const status of [0, 100, 101, 199, 600, 200.5, NaN]) {
    assertThrows(
      () => encodeAnswer({ status }, "GET"),
      RangeError,
      `${status}`,
    );
  }
});

Deno.test("encodeAnswer() throws when a header or the body is a mistake", () => {
  for (const name of ["connection", "Content-Length", "Transfer-Encoding"]) {
    assertThrows(
      () => encodeAnswer({ status: 200, headers: { [name]: "1" } }, "GET"),
      TypeError,
      "it is written for you",
    );
  }
  for (const status of [204, 304]) {
    assertThrows(
      () => encodeAnswer({ status, body: "a" }, "GET"),
      TypeError,
      "and a body",
    );
  }
  for (const bad of ["a\r\nb: c", "a\nb", "a\0b", "a\x1bb"]) {
    assertThrows(
      () => encodeAnswer({ status: 200, reason: bad }, "GET"),
      TypeError,
    );
    assertThrows(
      () => encodeAnswer({ status: 200, headers: { a: bad } }, "GET"),
      TypeError,
    );
  }
});

Deno.test("encodeResponse() puts the body after the head unless the method is HEAD", () => {
  const response = { status: 400, reason: "", headers: new Headers() };
  for (const body of ["ab", bytes("ab")]) {
    const whole = encodeResponse(response, body);
    assertEquals(text(whole.bytes), "HTTP/1.1 400 \r\n\r\nab");
    assertEquals(whole.response, response);
    assertEquals(
      text(encodeResponse(response, body, "HEAD").bytes),
      "HTTP/1.1 400 \r\n\r\n",
    );
  }
});
