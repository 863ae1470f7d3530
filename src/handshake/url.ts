// The URL of a WebSocket (RFC 6455, section 3), and the credentials in it.
import { base64 } from "./accept_key.ts";

/** The URL with what a WebSocket's may not have ruled out. */
export function parseUrl(url: string | URL): URL {
  // The parser would silently drop CR, LF and HTAB, and encode the others.
  for (const char of `${url}`) {
    if (char < " " || char === "\x7f") {
      throw new TypeError(
        "Cannot connect to a URL with a control character in it",
      );
    }
  }
  const parsed = new URL(url);
  if (!["ws:", "wss:", "http:", "https:"].includes(parsed.protocol)) {
    throw new TypeError(
      `Cannot connect to a URL of ${parsed.protocol}: it is not ws: or wss:`,
    );
  }
  // In a parsed URL every other "#" is percent-encoded; `hash` is "" for "#".
  if (parsed.href.includes("#")) {
    throw new TypeError("Cannot connect to a URL with a fragment");
  }
  return parsed;
}

/** The userinfo of a URL as a value of `Authorization` (RFC 7617, section 2). */
export function basicCredentials(url: URL): string | undefined {
  if (url.username === "" && url.password === "") return undefined;
  const username = percentDecode(url.username);
  const password = percentDecode(url.password);
  const forbidden = (byte: number) => byte < 0x20 || byte === 0x7f;
  if (
    username.includes(0x3a) || username.some(forbidden) ||
    password.some(forbidden)
  ) {
    throw new TypeError(
      "Cannot send the credentials of the URL: " +
        "a colon in the username or a control character",
    );
  }
  return `Basic ${base64(new Uint8Array([...username, 0x3a, ...password]))}`;
}

/** Percent-decodes; what is no sequence stays as it is (URL Standard, 1.3). */
function percentDecode(text: string): number[] {
  const bytes: number[] = [];
  for (let i = 0; i < text.length; i++) {
    const digits = text.slice(i + 1, i + 3);
    if (text[i] === "%" && digits.length === 2 && isHex(digits)) {
      bytes.push(parseInt(digits, 16));
      i += 2;
    } else bytes.push(text.charCodeAt(i)); // ASCII, as URL has encoded the rest
  }
  return bytes;
}

function isHex(text: string): boolean {
  for (const char of text) {
    if (!"0123456789abcdefABCDEF".includes(char)) return false;
  }
  return true;
}
