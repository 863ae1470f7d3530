// permessage-deflate as `proxy.ts` needs it: agreed on by the two ends, while what
// they compress passes as it is.

import type {
  ClientExtension,
  Extension,
  ExtensionParameter,
  ServerExtension,
} from "@noio/ws";

const NAME = "permessage-deflate";

/** Claims no bit and touches no message. */
class Passing implements Extension {
  readonly name = NAME;
  readonly reserved = [0, 0, 0] as const;
  readonly parameters: readonly ExtensionParameter[];

  constructor(parameters: readonly ExtensionParameter[]) {
    this.parameters = parameters;
  }
  begin(): boolean {
    return false;
  }
  *decode(part: Uint8Array<ArrayBuffer>): Generator<Uint8Array<ArrayBuffer>> {
    yield part;
  }
  beginEncoding(): undefined {}
  encode(part: Uint8Array): Uint8Array {
    return part;
  }
  close(): void {}
}

/** The extension for one client of a proxy: towards the server, then towards it. */
export class PassingDeflate implements ClientExtension, ServerExtension {
  readonly name = NAME;
  readonly reserved = [0, 0, 0] as const;
  #offers: ExtensionParameter[][] = [];
  #agreed: readonly ExtensionParameter[] | undefined = undefined;

  /** Takes the client's offers out of its request, to pass them on. */
  take(headers: Headers): void {
    const field = headers.get("Sec-WebSocket-Extensions") ?? "";
    this.#offers = field.split(",")
      .map((offer) => offer.split(";").map((part) => part.trim()))
      .filter(([name]) => name === NAME)
      .map(([, ...parameters]) =>
        parameters.map((parameter) => {
          const [name, value = null] = parameter.split("=");
          return [name, value];
        })
      );
  }

  offers(): ExtensionParameter[][] {
    return this.#offers;
  }

  accept(parameters: readonly ExtensionParameter[]): Extension {
    this.#agreed = parameters; // the client judges them
    return new Passing(parameters);
  }

  answer(): ReturnType<ServerExtension["answer"]> {
    const parameters = this.#agreed;
    if (parameters === undefined) return undefined;
    this.#agreed = undefined; // for one of its offers
    return { parameters, extension: new Passing(parameters) };
  }
}
