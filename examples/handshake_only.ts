// deno run --allow-net=127.0.0.1 examples/handshake_only.ts
//
// A client that takes no for an answer: it follows a redirection (302) and
// comes back with credentials (401). The server it meets is at the end.

import {
  acceptUpgrade,
  type RequestAnswer,
  type RequestHead,
  requestUpgrade,
  type UpgradeAccepted,
} from "@noio/ws/handshake";
import { parse, serve } from "./program.ts";
import { WebSocketStream } from "./websocket_stream.ts";

parse("Shows a client that follows a 302 and answers a 401.", {}, 0);

/** Connects, as often as the server has something else to ask for. */
async function connect(
  url: URL,
  login: { username: string; password: string },
): Promise<{ conn: Deno.Conn; upgrade: UpgradeAccepted }> {
  for (let attempts = 0; attempts < 5; attempts++) {
    const { hostname, port } = url;
    const conn = await Deno.connect({ hostname, port: Number(port) || 80 });
    try {
      const upgrade = await requestUpgrade(conn, url, {
        signal: AbortSignal.timeout(10_000),
      });
      if (upgrade.accepted) return { conn, upgrade };

      const { status, headers } = upgrade.response;
      console.log(`client: ${url.pathname} gives ${status}`);
      const location = headers.get("Location");
      if (status >= 301 && status <= 308 && location !== null) {
        const { origin, username, password } = url;
        url = new URL(location, url);
        // Credentials are for the server that asked for them.
        if (url.origin === origin) Object.assign(url, { username, password });
      } else if (status === 401 && url.username === "") {
        Object.assign(url, login); // becomes `Authorization: Basic`
      } else {
        throw new Error(`Refused with ${status}`);
      }
    } catch (error) {
      close(conn);
      throw error;
    }
    close(conn); // a refusal says `Connection: close`
  }
  throw new Error("Redirected too often");
}

function close(conn: Deno.Conn): void {
  try {
    conn.close();
  } catch {
    // The other side was faster.
  }
}

async function handle(conn: Deno.Conn): Promise<void> {
  const upgrade = await acceptUpgrade(conn, {
    signal: AbortSignal.timeout(10_000),
    onRequest: answer,
  });
  const { request, response } = upgrade;
  console.log(`server: ${request?.target} is answered ${response?.status}`);
  if (!upgrade.accepted) return;
  const ws = WebSocketStream.over(conn, upgrade);
  const { writable } = await ws.opened;
  await writable.getWriter().write("welcome");
  ws.close();
  await ws.closed;
}

/** What the server says before any rule of the handshake is looked at. */
function answer({ target, headers }: RequestHead): RequestAnswer | undefined {
  if (target === "/old") return { status: 302, headers: { Location: "/chat" } };
  if (headers.get("Authorization") === `Basic ${btoa("ada:lovelace")}`) {
    return undefined; // go on with the handshake
  }
  const challenge = 'Basic realm="chat"';
  return { status: 401, headers: { "WWW-Authenticate": challenge } };
}

const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
const done = new AbortController();
const serving = serve(listener, handle, done.signal);

const url = new URL(`ws://127.0.0.1:${listener.addr.port}/old`);
const login = { username: "ada", password: "lovelace" };
const { conn, upgrade } = await connect(url, login);
const ws = WebSocketStream.over(conn, upgrade);
for await (const message of (await ws.opened).readable) {
  console.log(`client: ${upgrade.request.target} says ${message}`);
}
await ws.closed;
done.abort();
await serving;
