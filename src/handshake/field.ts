// The grammar of the header fields that a handshake reads (RFC 9110, section
// 5.6): tokens, quoted strings, comma lists and parameters, by a scan that looks
// at each character once. Nothing here is a regular expression, and names that
// a peer chose are never keys of an object.

/** One parameter of a list element: its name, and its value or `null`. */
export type FieldParameter = readonly [name: string, value: string | null];

/** One element of a list such as `Sec-WebSocket-Extensions`. */
export interface FieldElement {
  /** The token that the element begins with. */
  readonly name: string;
  /** Its parameters in the order in which they came, doubled ones included. */
  readonly parameters: readonly FieldParameter[];
}

// A table of the characters of a token (tchar, RFC 9110, section 5.6.2).
const TOKEN = new Uint8Array(128);
for (
  const char of "!#$%&'*+-.^_`|~0123456789" +
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
) TOKEN[char.charCodeAt(0)] = 1;

const HTAB = 0x09;
const SP = 0x20;
const DQUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Whether a character may be part of a token (RFC 9110, section 5.6.2). */
export function isTokenCode(code: number): boolean {
  return TOKEN[code] === 1;
}

/** Whether a text is one token, which an empty text is not. */
export function isToken(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    if (!isTokenCode(text.charCodeAt(i))) return false;
  }
  return text !== "";
}

/**
 * Whether a character may be part of a field's value (RFC 9110, section 5.5):
 * no control character but HTAB, and nothing that is no byte.
 */
export function isValueCode(code: number): boolean {
  return code === HTAB || code >= SP && code <= 0xff && code !== 0x7f;
}

/** Whether a text may be the value of a field. */
export function isValue(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    if (!isValueCode(text.charCodeAt(i))) return false;
  }
  return true;
}

/** Whether a list has a token, in whatever case. */
export function hasToken(list: readonly string[], token: string): boolean {
  return list.some((item) => item.toLowerCase() === token);
}

/** Goes once through a text; each method takes what it names, if it is next. */
class Scanner {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  get atEnd(): boolean {
    return this.#at === this.#text.length;
  }

  char(char: string): boolean {
    if (this.#text[this.#at] !== char) return false;
    this.#at++;
    return true;
  }

  whitespace(): void {
    while (this.char(" ") || this.char("\t"));
  }

  token(): string | undefined {
    const from = this.#at;
    while (isTokenCode(this.#text.charCodeAt(this.#at))) this.#at++;
    return this.#at === from ? undefined : this.#text.slice(from, this.#at);
  }

  /** The value of a quoted string whose first quote has been taken. */
  quoted(): string | undefined {
    let value = "";
    let from = this.#at;
    while (!this.atEnd) {
      let code = this.#text.charCodeAt(this.#at);
      if (code === DQUOTE) return value + this.#text.slice(from, this.#at++);
      if (code === BACKSLASH) {
        value += this.#text.slice(from, this.#at);
        from = ++this.#at;
        // At the end of the text this is NaN, which no value may hold.
        code = this.#text.charCodeAt(this.#at);
      }
      if (!isValueCode(code)) return undefined;
      this.#at++;
    }
    return undefined;
  }
}

/**
 * Parses a comma list (RFC 9110, section 5.6.1). Empty elements count for
 * nothing, as a recipient must allow; `undefined` is a malformed list.
 */
function parseList<T>(
  text: string,
  element: (scanner: Scanner) => T | undefined,
): T[] | undefined {
  const scanner = new Scanner(text);
  const list: T[] = [];
  while (true) {
    scanner.whitespace();
    if (scanner.atEnd) return list;
    if (scanner.char(",")) continue;
    const item = element(scanner);
    if (item === undefined) return undefined;
    list.push(item);
    scanner.whitespace();
    if (!scanner.atEnd && !scanner.char(",")) return undefined;
  }
}

/** Parses a list of tokens, such as `Connection`; `undefined` if malformed. */
export function parseTokens(text: string): string[] | undefined {
  return parseList(text, (scanner) => scanner.token());
}

/**
 * Parses a list of protocols with or without a version, as in `Upgrade` (RFC
 * 9110, section 7.8); `undefined` if malformed.
 */
export function parseProtocols(text: string): string[] | undefined {
  return parseList(text, (scanner) => {
    const name = scanner.token();
    if (name === undefined || !scanner.char("/")) return name;
    const version = scanner.token();
    return version === undefined ? undefined : `${name}/${version}`;
  });
}

/**
 * Parses a list of elements with parameters, as in `Sec-WebSocket-Extensions`
 * (RFC 6455, section 9.1); `undefined` if malformed. What a quoted string holds
 * need not be a token: to judge values is the extension's business.
 */
export function parseElements(text: string): FieldElement[] | undefined {
  return parseList(text, (scanner) => {
    const name = scanner.token();
    if (name === undefined) return undefined;
    const parameters: FieldParameter[] = [];
    while (true) {
      scanner.whitespace();
      if (!scanner.char(";")) return { name, parameters };
      scanner.whitespace();
      const parameter = parseParameter(scanner);
      if (parameter === undefined) return undefined;
      parameters.push(parameter);
    }
  });
}

function parseParameter(scanner: Scanner): FieldParameter | undefined {
  const name = scanner.token();
  if (name === undefined) return undefined;
  if (!scanner.char("=")) return [name, null];
  const value = scanner.char('"') ? scanner.quoted() : scanner.token();
  return value === undefined ? undefined : [name, value];
}

/**
 * Writes elements as `parseElements` reads them. Throws a `TypeError` if a name or a
 * value is no token: even what is quoted must be one (RFC 6455, section 9.1), and so
 * nothing is.
 */
export function formatElements(elements: readonly FieldElement[]): string {
  return elements.map(({ name, parameters }) =>
    [
      checkedToken(name),
      ...parameters.map(([name, value]) =>
        value === null
          ? checkedToken(name)
          : `${checkedToken(name)}=${checkedToken(value)}`
      ),
    ].join("; ")
  ).join(", ");
}

function checkedToken(text: string): string {
  if (isToken(text)) return text;
  throw new TypeError(
    `Cannot write ${JSON.stringify(text)} into a field: it is not a token`,
  );
}
