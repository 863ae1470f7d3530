// In a page: the report of `exchange.mjs`, and what the browser's own WebSocket gets
// from the server that the page is told of.

import { exchange } from "./exchange.mjs";

/** Sends messages to an echo server, one after the other, and closes. */
function ownWebSocket(url) {
  const messages = [
    "",
    "hello",
    "wörld 👋 ".repeat(10_000),
    new Uint8Array(100_000).map((_, i) => i * i),
  ];
  const { promise, resolve } = Promise.withResolvers();
  const socket = new WebSocket(url);
  socket.binaryType = "arraybuffer";
  const same = [];
  const sendNext = () => {
    if (same.length === messages.length) socket.close(3001, "enough");
    else socket.send(messages[same.length]);
  };
  socket.onopen = sendNext;
  socket.onmessage = ({ data }) => {
    const sent = messages[same.length];
    same.push(
      typeof data === "string"
        ? data === sent
        : new Uint8Array(data).every((byte, i) => byte === sent[i]) &&
          data.byteLength === sent.length,
    );
    sendNext();
  };
  socket.onclose = ({ code, reason, wasClean }) => {
    const { extensions } = socket;
    resolve({ extensions, same, code, reason, wasClean });
  };
  return promise;
}

let report;
try {
  const url = new URLSearchParams(location.search).get("echo");
  report = { ...await exchange(), own: await ownWebSocket(url) };
} catch (error) {
  report = { error: `${error}\n${error.stack}` };
}
document.querySelector("pre").textContent = JSON.stringify(report);
