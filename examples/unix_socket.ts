// deno run --allow-net=unix:/tmp/echo.sock --allow-read=/tmp/echo.sock --allow-write=/tmp/echo.sock examples/unix_socket.ts /tmp/echo.sock
//
// Sends back every message, on a Unix socket: for programs on the same machine, with
// the rights of a file. A client for it is `wscat.ts --unix=/tmp/echo.sock ws://x/`.

import {
  fail,
  interruption,
  messageOf,
  parse,
  serveWebSockets,
  timeoutOf,
} from "./program.ts";

const HELP = `
Sends back every message, on a Unix socket.

  deno run --allow-net=unix:<path> --allow-read=<path> --allow-write=<path> \\
    examples/unix_socket.ts [options] <path>

  <path>                    the socket, which is made and in the end removed
  --handshake-timeout=<ms>  how long a client may take to ask [10000]
  --help                    this
`;

const { values, positionals: [path] } = parse(HELP, {
  "handshake-timeout": { type: "string", default: "10000" },
});
if (path === undefined) fail("There is no path; see --help", 2);
const handshakeTimeout = timeoutOf(values);

/** Listens, also where a server that was killed has left its socket behind. */
async function listen(path: string): Promise<Deno.UnixListener> {
  const address = { transport: "unix", path } as const;
  try {
    return Deno.listen(address);
  } catch (error) {
    if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    if (!(await Deno.lstat(path)).isSocket || await isServed(path)) throw error;
    await Deno.remove(path);
    return Deno.listen(address);
  }
}

/** Whether somebody listens on a socket. */
async function isServed(path: string): Promise<boolean> {
  try {
    (await Deno.connect({ transport: "unix", path })).close();
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.ConnectionRefused) return false;
    throw error;
  }
}

const listener = await listen(path)
  .catch((error) => fail(`Cannot listen on ${path}: ${messageOf(error)}`));
console.log(`Echoing on ${path} (Ctrl-C ends it)`);

await serveWebSockets(
  listener,
  { handshakeTimeout },
  (_ws, { readable, writable }) => readable.pipeTo(writable),
  interruption(),
);
