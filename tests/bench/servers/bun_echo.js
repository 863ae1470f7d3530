// bun run tests/bench/servers/bun_echo.js [deflate]
//
// An echo server on Bun's own WebSocket.

// deno-lint-ignore-file no-console -- it says where it listens

const compress = globalThis.Bun.argv[2] === "deflate";
const { port } = globalThis.Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  fetch: (request, server) =>
    server.upgrade(request) ? undefined : new Response(null, { status: 426 }),
  websocket: {
    perMessageDeflate: compress,
    message: (socket, message) => {
      socket.send(message, compress);
    },
  },
});
console.log(`Echoing on ws://127.0.0.1:${port}/`);
