// Extensions that are not deflate: they prove that the interface is not shaped for
// it alone.

import type {
  ClientExtension,
  Extension,
  ExtensionParameter,
  OutgoingMessage,
  PartPosition,
  Reserved,
  ServerExtension,
} from "@noio/ws";

/** XORs every payload with a number, and says so with RSV2 and that it did with RSV3. */
export class Xor implements Extension {
  readonly name = "xor";
  readonly parameters: readonly ExtensionParameter[];
  readonly reserved: Reserved = [0, 1, 1];
  readonly #by: number;
  closed = 0;

  constructor(by: number) {
    this.#by = by;
    this.parameters = [["by", `${by}`]];
  }

  begin(reserved: Reserved): boolean {
    return reserved[1] === 1;
  }

  decode(part: Uint8Array): Uint8Array<ArrayBuffer>[] {
    return part.length === 0 ? [] : [part.map((byte) => byte ^ this.#by)];
  }

  beginEncoding({ type }: OutgoingMessage): Reserved | undefined {
    if (type === "text") return [0, 1, 0];
    return type === "binary" ? [0, 1, 1] : undefined;
  }

  encode(part: Uint8Array): Uint8Array {
    return part.map((byte) => byte ^ this.#by);
  }

  close(): void {
    this.closed++;
  }
}

/** Says everything twice: each byte is doubled. It claims no bit. */
export class Twice implements Extension {
  readonly name = "twice";
  readonly parameters = [];
  readonly reserved: Reserved = [0, 0, 0];
  /** Where the parts that it decoded stood. */
  readonly positions: PartPosition[] = [];
  #odd: number | undefined = undefined;
  closed = 0;

  begin(): boolean {
    return true;
  }

  *decode(
    part: Uint8Array,
    position: PartPosition,
  ): Generator<Uint8Array<ArrayBuffer>> {
    this.positions.push(position);
    for (const byte of part) {
      if (this.#odd === undefined) {
        this.#odd = byte;
      } else {
        this.#odd = undefined;
        yield new Uint8Array([byte]);
      }
    }
  }

  beginEncoding(): Reserved {
    return this.reserved;
  }

  encode(part: Uint8Array): Uint8Array {
    return Uint8Array.from({ length: 2 * part.length }, (_, i) => part[i >> 1]);
  }

  close(): void {
    this.closed++;
  }
}

/** An extension that is asked of all messages, and does as it is told. */
export function extension(does: Partial<Extension> = {}): Extension {
  const { reserved = [1, 0, 0] } = does;
  return {
    name: "toy",
    parameters: [],
    reserved,
    begin: () => true,
    decode: (part) => [part],
    beginEncoding: () => reserved,
    encode: (part) => part,
    close: () => {},
    ...does,
  };
}

/** The negotiation of {@linkcode Xor}: the client offers, the server agrees. */
export function xor(by: number): ClientExtension & ServerExtension {
  return {
    name: "xor",
    reserved: [0, 1, 1],
    offers: () => [[["by", `${by}`]]],
    accept(parameters) {
      const [parameter] = parameters;
      if (parameter?.[1] !== `${by}`) throw new Error(`by is not ${by}`);
      return new Xor(by);
    },
    answer(parameters) {
      if (parameters[0]?.[0] !== "by") return undefined;
      const number = Number(parameters[0][1]);
      if (Number.isNaN(number)) throw new Error("by is not a number");
      return { parameters, extension: new Xor(number) };
    },
  };
}
