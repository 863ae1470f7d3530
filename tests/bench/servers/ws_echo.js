// deno run --allow-all tests/bench/servers/ws_echo.js [deflate]
// node ws_echo.js [deflate]
//
// An echo server on npm:ws, with its native add-on where that can be loaded.

// deno-lint-ignore-file no-console -- it says where it listens

import { createServer } from "node:http";
import process from "node:process";
import "bufferutil"; // or Deno would not let ws find it
import { WebSocketServer } from "ws";

const http = createServer();
const server = new WebSocketServer({
  server: http,
  perMessageDeflate: process.argv[2] === "deflate" && {
    serverNoContextTakeover: true,
    clientNoContextTakeover: true,
    threshold: 0,
  },
});
server.on("connection", (socket) => {
  socket.on("message", (data, isBinary) => {
    socket.send(data, { binary: isBinary });
  });
  socket.on("error", () => {}); // the load generator just goes
});
http.listen(0, "127.0.0.1", () => {
  console.log(`Echoing on ws://127.0.0.1:${http.address().port}/`);
});
