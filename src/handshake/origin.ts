// Authorities and origins: what stands in the fields Host and Origin, and in a
// target in absolute form (RFC 3986, section 3.2; RFC 6454, section 6.2). A scan
// of its own, as the URL parser repairs too much to compare what a peer sent.

/** Schemes that have an authority always, and the port that they leave out. */
const DEFAULT_PORTS: ReadonlyMap<string, string> = new Map([
  ["http", "80"],
  ["https", "443"],
  ["ws", "80"],
  ["wss", "443"],
]);

/**
 * Whether a text is a host with or without a port. Userinfo is refused (RFC
 * 9110, section 4.2.4), and so is what is not ASCII.
 */
export function isAuthority(text: string): boolean {
  return splitAuthority(text) !== undefined;
}

/** The host and the port (`""` if there is none) of an authority. */
function splitAuthority(text: string): [string, string] | undefined {
  let end = 0;
  if (text.startsWith("[")) {
    do end++; while (isAddressCode(text.charCodeAt(end)));
    if (text[end] !== "]" || end === 1) return undefined;
    end++;
  } else {
    while (isNameCode(text.charCodeAt(end))) end++;
    if (end === 0) return undefined;
  }
  if (end === text.length) return [text, ""];
  if (text[end] !== ":") return undefined;
  for (let i = end + 1; i < text.length; i++) {
    if (!isDigit(text.charCodeAt(i))) return undefined;
  }
  return [text.slice(0, end), text.slice(end + 1)];
}

/**
 * Normalises a serialised origin: scheme and host in lower case, no default
 * port. `"null"` stays as it is, and `undefined` is what is no origin: a path, a
 * trailing slash and a list of several are not allowed.
 */
export function normaliseOrigin(text: string): string | undefined {
  if (text === "null") return text;
  const colon = text.indexOf("://");
  const scheme = text.slice(0, Math.max(0, colon)).toLowerCase();
  if (!isScheme(scheme)) return undefined;
  const defaultPort = DEFAULT_PORTS.get(scheme);
  const authority = text.slice(colon + 3).toLowerCase();
  // As some send for a page from a file: "file://".
  if (authority === "" && defaultPort === undefined) return `${scheme}://`;
  const parts = splitAuthority(authority);
  if (parts === undefined) return undefined;
  const [host, port] = parts;
  return port === "" || port === defaultPort
    ? `${scheme}://${host}`
    : `${scheme}://${host}:${port}`;
}

/**
 * Whether a request target is one that a WebSocket may have: a path with or
 * without a query, or an absolute URI of http, https, ws or wss (RFC 9112,
 * section 3.2.2, wants that of every server; RFC 6455, section 4.1, allows it).
 * In an absolute URI the authority stands in for Host, so it is looked at too.
 */
export function isTarget(target: string): boolean {
  if (target.includes("#")) return false;
  if (target.startsWith("/")) return true;
  const colon = target.indexOf("://");
  if (!DEFAULT_PORTS.has(target.slice(0, Math.max(0, colon)).toLowerCase())) {
    return false;
  }
  let end = colon + 3;
  while (end < target.length && target[end] !== "/" && target[end] !== "?") {
    end++;
  }
  return isAuthority(target.slice(colon + 3, end));
}

function isScheme(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (isLower(code) || i > 0 && (isDigit(code) || "+-.".includes(text[i]))) {
      continue;
    }
    return false;
  }
  return text !== "";
}

/** A character of a name: unreserved, percent-encoded, or a sub-delimiter. */
function isNameCode(code: number): boolean {
  return isLower(code | 0x20) || isDigit(code) ||
    code > 0x20 && code < 0x80 &&
      "-._~%!$&'()*+,;=".includes(String.fromCharCode(code));
}

/** A character of an IPv6 address, which may end in an IPv4 address. */
function isAddressCode(code: number): boolean {
  const lower = code | 0x20;
  return isDigit(code) || lower >= 0x61 && lower <= 0x66 || code === 0x3a ||
    code === 0x2e;
}

function isLower(code: number): boolean {
  return code >= 0x61 && code <= 0x7a;
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39;
}
