// Decodes the head of an HTTP/1.1 request or response out of bytes that come in
// pieces. It is a state machine that takes one byte at a time: so every cutting of
// the input gives the same result, a rule fires at the first byte that decides it,
// the work is linear, and what is held is the line being read and the fields
// before it.
import { concat } from "@std/bytes";
import { Information } from "../information.ts";
import { isTokenCode, isValueCode } from "./field.ts";
import {
  isTargetCode,
  type RequestHead,
  type ResponseHead,
  spell,
  VERSION,
} from "./head.ts";

/** The head for each kind that a {@linkcode HeadDecoder} decodes. */
export interface Heads {
  /** What a server receives. */
  readonly request: RequestHead;
  /** What a client receives. */
  readonly response: ResponseHead;
}

/** How much of a head a {@linkcode HeadDecoder} takes. */
export interface HeadLimits {
  /**
   * The longest head, in bytes, its last empty line included.
   *
   * @default {16_384}
   */
  readonly maxBytes?: number | undefined;
  /**
   * The largest number of field lines.
   *
   * @default {100}
   */
  readonly maxFields?: number | undefined;
}

/** What {@linkcode HeadDecoder.next} gives for bytes that are no head. */
export interface HeadFailure {
  /** `"fail"`, which no head has. */
  readonly type: "fail";
  /** The rule that was broken. */
  readonly rule: "head" | "head-limit";
  /** What was seen, for a person to read. */
  readonly message: string;
  /** The status that a server answers: 400, 426, 431 or 505. */
  readonly status: number;
}

const HTAB = 0x09;
const LF = 0x0a;
const CR = 0x0d;
const SP = 0x20;
const COLON = 0x3a;

// Where the numbers stand in "HTTP/1.1".
const MAJOR_AT = 5;
const MINOR_AT = 7;

/** Empty lines that are skipped before a request (RFC 9112, section 2.2). */
const MAX_EMPTY_LINES = 4;

// What the next byte belongs to. "line-feed" and the like stand after a CR.
type State =
  | "method"
  | "empty-line-feed"
  | "target"
  | "version"
  | "version-end"
  | "status"
  | "status-end"
  | "reason"
  | "line-feed"
  | "field-name"
  | "field-value"
  | "last-line-feed";

/**
 * Decodes one head out of bytes that come in pieces of any size.
 *
 * Nothing that a peer sends makes it throw: what is no head is a
 * {@linkcode HeadFailure}. It is strict where leniency has let requests be
 * smuggled (RFC 9112, section 11.2): lines end in CRLF and in nothing else, a
 * field is never folded over lines, no whitespace stands before a colon, no value
 * has a control character but HTAB, and Host, Content-Length, Sec-WebSocket-Key,
 * -Accept and, in a request, -Version come once at most. (A response may give
 * several versions: RFC 6455, section 4.4.)
 *
 * The version is HTTP/1.1, or one with a higher minor number, which is taken for it
 * (RFC 9110, section 2.5). Another major version is answered with 505. A request of
 * HTTP/1.0 is answered with 426, like any that does not ask for an upgrade: in it a
 * server has to ignore `Upgrade` (RFC 9110, section 7.8). A response of HTTP/1.0 may
 * refuse, but not switch protocols.
 *
 * Bytes are copied when they are received, so that the caller may reuse the
 * buffer of a read once `next` has answered `NEED_DATA`.
 *
 * @typeParam K Which kind of head: `"request"` or `"response"`
 *
 * @example A response in two pieces, and what follows it
 * ```ts
 * import { assert, assertEquals } from "@std/assert";
 * import { HeadDecoder, Information } from "@noio/ws/handshake";
 *
 * const decoder = new HeadDecoder("response");
 * decoder.recv(new TextEncoder().encode("HTTP/1.1 503 Service Unavai"));
 * assertEquals(decoder.next(), Information.NEED_DATA);
 * decoder.recv(new TextEncoder().encode("lable\r\nRetry-After: 3\r\n\r\nWait"));
 *
 * const head = decoder.next();
 * assert(head !== Information.NEED_DATA && !("type" in head));
 * assertEquals(head.status, 503);
 * assertEquals(head.headers.get("Retry-After"), "3");
 * assertEquals(new TextDecoder().decode(decoder.rest), "Wait");
 * ```
 */
export class HeadDecoder<K extends keyof Heads> {
  readonly #kind: K;
  readonly #maxBytes: number;
  readonly #maxFields: number;
  #state: State;
  #outcome: Heads[K] | HeadFailure | undefined;
  /** How many bytes of the head have come. */
  #count = 0;
  /** The part of a line that is being read. */
  #part = new Uint8Array(128);
  #partLength = 0;
  #emptyLines = 0;
  #fields = 0;
  readonly #once = new Set<string>();
  #method = "";
  #target = "";
  /** Whether the version is HTTP/1.0. */
  #isOld = false;
  #status = 0;
  #reason = "";
  #name = "";
  #headers = new Headers();
  #rest: Uint8Array[] = [];

  /**
   * Creates a decoder for one head.
   *
   * @param kind Which kind of head
   * @param limits How much is taken
   * @throws {RangeError} If a limit is not a positive integer or `Infinity`
   */
  constructor(kind: K, limits: HeadLimits = {}) {
    this.#kind = kind;
    this.#state = kind === "request" ? "method" : "version";
    this.#maxBytes = checkLimit("maxBytes", limits.maxBytes ?? 16_384);
    this.#maxFields = checkLimit("maxFields", limits.maxFields ?? 100);
  }

  /**
   * Takes bytes that were received.
   *
   * @param chunk The bytes, which are copied as far as they belong to the head
   */
  recv(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.length && this.#outcome === undefined) {
      this.#step(chunk[at++]);
      if (++this.#count === this.#maxBytes && this.#outcome === undefined) {
        this.#fail(
          "head-limit",
          431,
          `Head is longer than ${this.#maxBytes} bytes`,
        );
      }
    }
    if (at < chunk.length) {
      const { buffer, byteOffset, length } = chunk;
      this.#rest.push(new Uint8Array(buffer, byteOffset + at, length - at));
    }
  }

  /**
   * Says what the bytes so far amount to. Once it has given a head or a failure
   * it gives the same for ever.
   *
   * @returns The head, a {@linkcode HeadFailure}, or `NEED_DATA`
   */
  next(): Heads[K] | HeadFailure | typeof Information.NEED_DATA {
    return this.#outcome ?? Information.NEED_DATA;
  }

  /**
   * The bytes that were received after the head, or after the byte that made it
   * fail. They are not copied, so take them before the buffer of the read is used
   * again.
   */
  get rest(): Uint8Array {
    if (this.#rest.length !== 1) this.#rest = [concat(this.#rest)];
    return this.#rest[0];
  }

  /** Takes one byte. It is pushed, or it ends a part, or it fails. */
  #step(byte: number): void {
    switch (this.#state) {
      case "method":
        if (isTokenCode(byte)) this.#push(byte);
        else if (byte === SP && this.#partLength > 0) {
          this.#method = this.#take();
          this.#state = "target";
        } else if (
          byte === CR && this.#partLength === 0 &&
          this.#emptyLines++ < MAX_EMPTY_LINES
        ) this.#state = "empty-line-feed";
        else this.#unexpected(byte, "the method");
        break;
      case "empty-line-feed":
        this.#expect(byte, LF, "an empty line", "method");
        break;
      case "target":
        if (isTargetCode(byte)) this.#push(byte);
        else if (byte === SP && this.#partLength > 0) {
          this.#target = this.#take();
          this.#state = "version";
        } else this.#unexpected(byte, "the request target");
        break;
      case "version":
        this.#version(byte);
        break;
      case "version-end":
        if (this.#kind === "request") {
          this.#expect(byte, CR, "the request line", "line-feed");
        } else this.#expect(byte, SP, "the version", "status");
        break;
      case "status":
        // The first digit is at least 1, that there are three of them.
        if (byte > 0x30 && byte <= 0x39 || byte === 0x30 && this.#status > 0) {
          this.#status = this.#status * 10 + byte - 0x30;
          if (this.#status >= 100) this.#state = "status-end";
          if (this.#status === 101 && this.#isOld) this.#failAsOld();
        } else this.#unexpected(byte, "the status code");
        break;
      case "status-end":
        // The space is mandatory even where no reason follows (RFC 9112,
        // section 4), and yet often left out: nothing can be smuggled by that.
        if (byte === CR) this.#state = "line-feed";
        else this.#expect(byte, SP, "the status code", "reason");
        break;
      case "reason":
        if (isValueCode(byte)) this.#push(byte);
        else {
          this.#reason = this.#take();
          this.#expect(byte, CR, "the reason phrase", "line-feed");
        }
        break;
      case "line-feed":
        this.#expect(byte, LF, "a line", "field-name");
        break;
      case "field-name":
        this.#fieldName(byte);
        break;
      case "field-value":
        if (isValueCode(byte)) this.#push(byte);
        else {
          // `Headers` takes the whitespace around the value away.
          this.#headers.append(this.#name, this.#take());
          this.#expect(byte, CR, "a field value", "line-feed");
        }
        break;
      case "last-line-feed":
        if (byte === LF) this.#finish();
        else this.#unexpected(byte, "the last line");
    }
  }

  #version(byte: number): void {
    const isDigit = byte >= 0x30 && byte <= 0x39;
    if (isDigit && this.#partLength === MINOR_AT) {
      this.#isOld = byte === 0x30;
      if (this.#isOld && this.#kind === "request") return this.#failAsOld();
      this.#partLength = 0;
      this.#state = "version-end";
    } else if (byte === VERSION.charCodeAt(this.#partLength)) {
      this.#push(byte);
    } else if (isDigit && this.#partLength === MAJOR_AT) {
      this.#fail("head", 505, "The major version of HTTP is not 1");
    } else this.#unexpected(byte, "the version");
  }

  #failAsOld(): void {
    this.#fail("head", 426, "The version of HTTP is not 1.1");
  }

  #fieldName(byte: number): void {
    if (isTokenCode(byte)) {
      if (this.#partLength === 0 && this.#fields++ === this.#maxFields) {
        this.#fail(
          "head-limit",
          431,
          `Head has more than ${this.#maxFields} fields`,
        );
      } else this.#push(byte);
    } else if (byte === CR && this.#partLength === 0) {
      this.#state = "last-line-feed";
    } else if (byte === COLON && this.#partLength > 0) {
      this.#name = this.#take();
      this.#state = "field-value";
      this.#checkOnce(this.#name.toLowerCase());
    } else if ((byte === SP || byte === HTAB) && this.#partLength === 0) {
      this.#fail("head", 400, "A field is folded over two lines");
    } else this.#unexpected(byte, "a field name");
  }

  /** Refuses what `Headers` would merge into one field that means another thing. */
  #checkOnce(name: string): void {
    switch (name) {
      case "sec-websocket-version":
        if (this.#kind === "response") return;
        break;
      case "host":
      case "content-length":
      case "sec-websocket-key":
      case "sec-websocket-accept":
        break;
      default:
        return;
    }
    if (this.#once.has(name)) {
      this.#fail("head", 400, `The field ${spell(name)} came twice`);
    } else this.#once.add(name);
  }

  #finish(): void {
    const head: RequestHead | ResponseHead = this.#kind === "request"
      ? { method: this.#method, target: this.#target, headers: this.#headers }
      : { status: this.#status, reason: this.#reason, headers: this.#headers };
    // The condition above is what K says, which the compiler cannot follow.
    this.#end(head as Heads[K]);
  }

  #expect(byte: number, expected: number, after: string, state: State): void {
    if (byte === expected) this.#state = state;
    else this.#unexpected(byte, after);
  }

  #unexpected(byte: number, place: string): void {
    const code = byte.toString(16).padStart(2, "0");
    this.#fail("head", 400, `Unexpected byte 0x${code} in or after ${place}`);
  }

  #fail(rule: HeadFailure["rule"], status: number, message: string): void {
    this.#end({ type: "fail", rule, message, status });
  }

  #end(outcome: Heads[K] | HeadFailure): void {
    this.#outcome = outcome;
    this.#headers = new Headers();
    this.#part = new Uint8Array(0);
    this.#once.clear();
  }

  #push(byte: number): void {
    if (this.#partLength === this.#part.length) {
      const part = new Uint8Array(
        Math.min(this.#partLength * 2, this.#maxBytes),
      );
      part.set(this.#part);
      this.#part = part;
    }
    this.#part[this.#partLength++] = byte;
  }

  /** The part that is complete, as a byte string, for the next to begin. */
  #take(): string {
    let text = "";
    for (let from = 0; from < this.#partLength; from += 1024) {
      // At most 1024 arguments, however long the peer makes it.
      text += String.fromCharCode(
        ...this.#part.subarray(from, Math.min(from + 1024, this.#partLength)),
      );
    }
    this.#partLength = 0;
    return text;
  }
}

function checkLimit(name: string, limit: number): number {
  if (limit === Infinity || Number.isSafeInteger(limit) && limit > 0) {
    return limit;
  }
  throw new RangeError(
    `Cannot limit a head: ${name} is ${limit}, not a positive integer`,
  );
}
