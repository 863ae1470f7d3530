// deno run --allow-net=127.0.0.1 tests/bench/servers/upgrade_websocket.ts
//
// An echo server on the runtime's own WebSocket, which has no compression.

// deno-lint-ignore-file no-console -- it says where it listens

Deno.serve({
  hostname: "127.0.0.1",
  port: 0,
  onListen: ({ port }) => console.log(`Echoing on ws://127.0.0.1:${port}/`),
}, (request) => {
  const { socket, response } = Deno.upgradeWebSocket(request, {
    idleTimeout: 0,
  });
  socket.binaryType = "arraybuffer";
  socket.onmessage = ({ data }) => socket.send(data);
  return response;
});
