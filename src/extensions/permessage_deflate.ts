// permessage-deflate (RFC 7692): messages are compressed with DEFLATE, one by one
// or with what was said before as their context.

import { RESERVED, type Reserved } from "../framing/frame.ts";
import {
  type DeflateCodec,
  DeflateDataError,
  type Deflater,
  type Inflater,
  portableCodec,
  TAIL,
} from "./deflate_codec.ts";
import {
  answerTo,
  type DeflateParameters,
  isWindowBits,
  judgeAnswer,
  offerOf,
  type WindowBits,
} from "./deflate_parameters.ts";
import {
  type ClientExtension,
  type Extension,
  ExtensionError,
  type ExtensionParameter,
  type OutgoingMessage,
  type PartPosition,
  type ServerExtension,
} from "./extension.ts";

export {
  type DeflateCodec,
  DeflateDataError,
  type Deflater,
  type DeflateSettings,
  type InflateInfo,
  type Inflater,
  type InflateSettings,
  portableCodec,
} from "./deflate_codec.ts";
export type { WindowBits } from "./deflate_parameters.ts";

/** Options for {@linkcode permessageDeflate}. */
export interface PermessageDeflateOptions {
  /**
   * Whether the server is to begin each message with an empty window: less compression,
   * and nothing to hold between two messages at either end, which is some 256 KiB where
   * it is sent and 40 where it is received. A client asks for it, a server does it.
   *
   * @default {false}
   */
  serverNoContextTakeover?: boolean | undefined;
  /**
   * Whether the client is to begin each message with an empty window.
   *
   * @default {false}
   */
  clientNoContextTakeover?: boolean | undefined;
  /**
   * The size of the server's window, which has 2^bits bytes. With 8 the server
   * sends nothing compressed, unless its codec has such a window.
   *
   * @default {undefined} as large as the client allows
   */
  serverMaxWindowBits?: WindowBits | undefined;
  /**
   * The size of the client's window, with 8 as above. A server that sets this declines
   * the offers of clients that cannot keep to it.
   *
   * @default {undefined} as large as the server allows
   */
  clientMaxWindowBits?: WindowBits | undefined;
  /**
   * How many bytes a whole message must have to be compressed, unless `compress`
   * in `send` says otherwise. One that is sent in fragments is compressed whatever its
   * length, as that is not known.
   *
   * @default {64}
   */
  threshold?: number | undefined;
  /**
   * How hard to compress, from 0 (not at all) to 9. The results are about as long as
   * zlib's at the same level; 8 and 9 may take many times as long as 6.
   *
   * @default {6}
   */
  level?: number | undefined;
  /**
   * How much memory to compress with, from 1 to 9.
   *
   * @default {8}
   */
  memLevel?: number | undefined;
  /**
   * What compresses and decompresses.
   *
   * @default {portableCodec}
   */
  codec?: DeflateCodec | undefined;
}

/** The extension for either side: hand it to both ends' handshakes alike. */
export interface PermessageDeflate extends ClientExtension, ServerExtension {
  /** The registered name, `"permessage-deflate"`. */
  readonly name: "permessage-deflate";
}

const NAME = "permessage-deflate";
/** RSV1, the "Per-Message Compressed" bit (section 6). */
const RSV1: Reserved = RESERVED[4];

const THRESHOLD = 64;
const LEVEL = 6;
const MEM_LEVEL = 8;

/**
 * Compresses messages as RFC 7692 has it, where the peer agrees.
 *
 * @param options What to ask for or to grant, and how hard to compress
 * @returns What the handshakes of either side take as one of their `extensions`
 * @throws {RangeError} If an option is out of range
 * @throws {TypeError} If the codec's `windowBits` is no array
 *
 * @example Both sides of a handshake
 * ```ts
 * import { assert, assertEquals } from "@std/assert";
 * import { Connection } from "@noio/ws";
 * import { ClientHandshake, ServerHandshake } from "@noio/ws/handshake";
 * import { permessageDeflate } from "@noio/ws/permessage-deflate";
 *
 * const extensions = [permessageDeflate()];
 * const shake = new ClientHandshake("ws://example.com/", { extensions });
 * const judged = new ServerHandshake({ extensions }).judge(shake.request);
 * assert(judged.accepted);
 * const agreed = shake.verify(judged.response);
 * assert(agreed.accepted);
 *
 * const client = new Connection("client", { extensions: agreed.extensions });
 * const server = new Connection("server", { extensions: judged.extensions });
 * const bytes = client.send({ type: "text", message: "again and ".repeat(100) });
 * assert(bytes.length < 40);
 * server.recv(bytes);
 * const event = server.nextEvent();
 * assertEquals(typeof event === "object" && event.message, "again and ".repeat(100));
 * ```
 */
export function permessageDeflate(
  options: PermessageDeflateOptions = {},
): PermessageDeflate {
  const settings = settingsOf(options);
  const { wanted } = settings;
  return {
    name: NAME,
    reserved: RSV1,
    offers: () => [offerOf(wanted)],
    accept(parameters) {
      const agreed = judgeAnswer(parameters, wanted);
      if (typeof agreed === "string") {
        throw new ExtensionError(1010, `${NAME}: ${agreed}`);
      }
      return new Deflated("client", parameters, agreed, settings);
    },
    answer(parameters) {
      const judged = answerTo(parameters, wanted);
      if (judged === undefined) return undefined;
      const { answer, agreed } = judged;
      const extension = new Deflated("server", answer, agreed, settings);
      return { parameters: answer, extension };
    },
  };
}

/** What the options come to. */
interface Settings {
  /** Tells these settings from all others. */
  readonly id: number;
  readonly wanted: DeflateParameters;
  readonly threshold: number;
  readonly level: number;
  readonly memLevel: number;
  readonly codec: DeflateCodec;
  /** The windows of our own that it has. */
  readonly windows: readonly number[];
}

let nextId = 0;

function settingsOf(options: PermessageDeflateOptions): Settings {
  const { serverMaxWindowBits, clientMaxWindowBits } = options;
  for (const bits of [serverMaxWindowBits, clientMaxWindowBits]) {
    if (bits !== undefined && !isWindowBits(bits)) {
      throw new RangeError(
        `Cannot use a window of ${bits} bits: 8 to 15 it is`,
      );
    }
  }
  const { threshold = THRESHOLD, codec = portableCodec } = options;
  if (!(threshold >= 0)) {
    throw new RangeError(`Cannot use ${threshold} bytes as threshold`);
  }
  return {
    id: nextId++,
    wanted: {
      serverNoContextTakeover: options.serverNoContextTakeover === true,
      clientNoContextTakeover: options.clientNoContextTakeover === true,
      serverMaxWindowBits,
      clientMaxWindowBits,
    },
    threshold,
    level: within("level", options.level ?? LEVEL, 0, 9),
    memLevel: within("memLevel", options.memLevel ?? MEM_LEVEL, 1, 9),
    codec,
    windows: windowsOf(codec),
  };
}

/** The windows that zlib can keep to, and so most codecs. */
const WINDOWS: readonly number[] = [9, 10, 11, 12, 13, 14, 15];

function windowsOf({ windowBits = WINDOWS }: DeflateCodec): number[] {
  if (!Array.isArray(windowBits)) {
    throw new TypeError("Cannot use a codec whose `windowBits` is no array");
  }
  return windowBits.map((bits) => within("windowBits", bits, 8, 15));
}

function within(
  name: string,
  value: number,
  low: number,
  high: number,
): number {
  if (Number.isInteger(value) && value >= low && value <= high) return value;
  throw new RangeError(
    `Cannot use ${value} as ${name}: ${low} to ${high} it is`,
  );
}

/** The extension at work on one connection. */
class Deflated implements Extension {
  readonly name = NAME;
  readonly parameters: readonly ExtensionParameter[];
  readonly reserved = RSV1;

  readonly #settings: Settings;
  /** Our window's size, if we compress; and whether it is emptied between messages. */
  readonly #bits: number | undefined;
  readonly #forgets: boolean;
  /** The peer's. */
  readonly #peerBits: number;
  readonly #peerForgets: boolean;
  // Made when the first compressed message comes or goes: most are idle.
  #deflater: Deflater | undefined = undefined;
  #inflater: Inflater | undefined = undefined;

  constructor(
    role: "client" | "server",
    parameters: readonly ExtensionParameter[],
    agreed: DeflateParameters,
    settings: Settings,
  ) {
    this.parameters = parameters;
    this.#settings = settings;
    const clientBits = agreed.clientMaxWindowBits ?? 15;
    const serverBits = agreed.serverMaxWindowBits ?? 15;
    const { clientNoContextTakeover, serverNoContextTakeover } = agreed;
    const isClient = role === "client";
    const agreedBits = isClient ? clientBits : serverBits;
    const windows = settings.windows.filter((bits) => bits <= agreedBits);
    this.#bits = windows.length === 0 ? undefined : Math.max(...windows);
    this.#forgets = isClient
      ? clientNoContextTakeover
      : serverNoContextTakeover;
    this.#peerBits = isClient ? serverBits : clientBits;
    this.#peerForgets = isClient
      ? serverNoContextTakeover
      : clientNoContextTakeover;
  }

  begin(reserved: Reserved): boolean {
    return reserved[0] === 1;
  }

  gathers(length: number, budget: number): boolean {
    return this.#ready().gathers?.(length, budget) === true;
  }

  #ready(): Inflater {
    return this.#inflater ??= this.#settings.codec.inflater({
      windowBits: this.#peerBits,
    });
  }

  *decode(
    part: Uint8Array<ArrayBuffer>,
    { messageEnd, budget }: PartPosition,
  ): Generator<Uint8Array<ArrayBuffer>, void, void> {
    try {
      yield* this.#ready().decompress(part, { last: messageEnd, budget });
      // At the end, and not when the next one begins: what is idle holds nothing.
      if (messageEnd && this.#peerForgets) this.#inflater?.reset();
    } catch (error) {
      if (!(error instanceof DeflateDataError)) throw error;
      throw new ExtensionError(1007, error.message, { cause: error });
    }
  }

  beginEncoding(message: OutgoingMessage): Reserved | undefined {
    return this.#compresses(message) ? RSV1 : undefined;
  }

  sharedKey(message: OutgoingMessage): string | undefined {
    if (!this.#compresses(message)) return "plain";
    return this.#forgets ? `${this.#settings.id}/${this.#bits}` : undefined;
  }

  #compresses({ length, fin, compress }: OutgoingMessage): boolean {
    // A message may always be sent as it is (section 6).
    if (this.#bits === undefined) return false;
    return compress ?? (!fin || length >= this.#settings.threshold);
  }

  encode(part: Uint8Array, fin: boolean): Uint8Array {
    const bytes = part.length === 0 ? part : this.#compress(part);
    if (!fin) return bytes;
    if (this.#forgets) this.#deflater?.reset();
    if (bytes.length === 0) return EMPTY_BLOCK;
    // Section 7.2.1: the last four bytes, 00 00 ff ff, go without saying.
    const { buffer, byteOffset, length } = bytes;
    return new Uint8Array(buffer, byteOffset, length - TAIL.length);
  }

  #compress(part: Uint8Array): Uint8Array {
    const { codec, level, memLevel } = this.#settings;
    const windowBits = this.#bits as number; // or nothing is encoded
    this.#deflater ??= codec.deflater({ windowBits, level, memLevel });
    const bytes: unknown = this.#deflater.compress(part);
    // What is cut off at the end must be that, or the peer could not read on.
    if (bytes instanceof Uint8Array && isFlushed(bytes)) return bytes;
    throw new TypeError(
      "The codec has compressed to what is not bytes that end with 00 00 ff ff",
    );
  }

  abandon(): void {
    const deflater = this.#deflater;
    try {
      deflater?.reset();
    } catch {
      // What it remembers, the peer does not know: another one begins anew.
      this.#deflater = undefined;
      deflater?.close();
    }
  }

  close(): void {
    const deflater = this.#deflater;
    const inflater = this.#inflater;
    this.#deflater = undefined;
    this.#inflater = undefined;
    try {
      deflater?.close();
    } finally {
      inflater?.close();
    }
  }
}

/** Whether a part ends with what a flush leaves (section 7.2.1). */
function isFlushed(bytes: Uint8Array): boolean {
  const from = bytes.length - TAIL.length;
  for (let i = 0; i < TAIL.length; i++) {
    if (bytes[from + i] !== TAIL[i]) return false;
  }
  return true;
}

/** An empty message (section 7.2.3.6). */
const EMPTY_BLOCK = new Uint8Array([0]);
