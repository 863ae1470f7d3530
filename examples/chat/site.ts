// What the server says to requests of HTTP: the page, and who may open a WebSocket.

import type { RequestAnswer, RequestHead } from "@noio/ws/handshake";
import page from "./page.html" with { type: "text" };
import { nameOf } from "./room.ts";

/** The page runs its own script and style and no other, and talks to its server. */
const HEADERS = {
  "Content-Security-Policy": [
    "default-src 'none'",
    "connect-src 'self'",
    "img-src data:",
    `script-src ${await hashOf("script")}`,
    `style-src ${await hashOf("style")}`,
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join("; "),
  "Cross-Origin-Opener-Policy": "same-origin",
  "Referrer-Policy": "no-referrer",
  "X-Content-Type-Options": "nosniff",
  "Cache-Control": "no-cache",
};

/** The hash of the page's one element of a name, as a source of a policy. */
async function hashOf(element: "script" | "style"): Promise<string> {
  const [, content = ""] =
    page.match(new RegExp(`<${element}>(.*?)</${element}>`, "s")) ?? [];
  const bytes = new TextEncoder().encode(content);
  const hash = await crypto.subtle.digest("SHA-256", bytes);
  return `'sha256-${new Uint8Array(hash).toBase64()}'`;
}

/** The name that a visitor wants, of the target `/chat?name=...`. */
export function wantedName({ target }: RequestHead): string | undefined {
  return nameOf(urlOf(target)?.searchParams.get("name") ?? null);
}

/** Answers a request; gives nothing for one that is to become a WebSocket. */
export function answer(request: RequestHead): RequestAnswer | undefined {
  const { method, target, headers } = request;
  const path = urlOf(target)?.pathname;
  if (path === "/chat") {
    if (!isOwn(headers)) return { status: 403, body: "Another origin\n" };
    if (wantedName(request) === undefined) {
      return { status: 400, body: "A name of 1 to 24 characters is needed\n" };
    }
    return undefined; // go on with the handshake
  }
  if (path !== "/") return { status: 404, body: "Not found\n" };
  if (method !== "GET" && method !== "HEAD") {
    return { status: 405, headers: { Allow: "GET, HEAD" } };
  }
  const type = { "Content-Type": "text/html; charset=utf-8" };
  return { status: 200, headers: { ...HEADERS, ...type }, body: page };
}

/** Whether a request comes of our own page, or of no browser at all. */
function isOwn(headers: Headers): boolean {
  const origin = headers.get("Origin");
  if (origin === null) return true;
  return urlOf(origin)?.host === urlOf(`http://${headers.get("Host")}`)?.host;
}

function urlOf(text: string): URL | undefined {
  return URL.parse(text, "http://localhost") ?? undefined;
}
