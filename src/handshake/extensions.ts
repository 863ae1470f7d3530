// The negotiation of extensions (RFC 6455, section 9.1): which are offered, which
// of the offers a server takes, and what a client makes of its answer.
import { HandshakeError } from "../errors.ts";
import type {
  ClientExtension,
  Extension,
  ServerExtension,
} from "../extensions/extension.ts";
import { type Reserved, reservedBits } from "../framing/frame.ts";
import { type FieldElement, formatElements, parseElements } from "./field.ts";

/** The field with which a client offers its extensions; `""` if it has none. */
export function offerExtensions(
  extensions: readonly ClientExtension[],
): string {
  return formatElements(
    extensions.flatMap((extension) =>
      extension.offers().map((parameters) => ({
        name: extension.name,
        parameters,
      }))
    ),
  );
}

/**
 * What a server's answer comes to, in the order of the answer.
 *
 * @throws {HandshakeError} If it names what was not offered, or not like that
 */
export function judgeExtensions(
  field: string,
  offered: readonly ClientExtension[],
): Extension[] {
  const elements = parseElements(field);
  if (elements === undefined) {
    throw new HandshakeError(
      "extension",
      `Sec-WebSocket-Extensions is malformed: ${JSON.stringify(field)}`,
    );
  }
  const accepted: Extension[] = [];
  for (const element of elements) {
    const extension = judgeElement(element, offered);
    if (accepted.some((other) => overlap(other.reserved, extension.reserved))) {
      throw new HandshakeError(
        "extension",
        `Two extensions claim the same reserved bit: ${JSON.stringify(field)}`,
      );
    }
    accepted.push(extension);
  }
  return accepted;
}

function judgeElement(
  { name, parameters }: FieldElement,
  offered: readonly ClientExtension[],
): Extension {
  const quoted = JSON.stringify(name);
  let verdict = `The extension ${quoted} was not offered`;
  let cause: unknown = undefined;
  for (const extension of offered) {
    if (extension.name !== name) continue;
    try {
      const accepted = extension.accept(parameters);
      checkReserved(accepted, extension);
      return accepted;
    } catch (error) {
      cause ??= error; // another offer of the same name may be the one
      verdict = `The extension ${quoted} was answered wrongly`;
    }
  }
  const detail = cause instanceof Error ? `: ${cause.message}` : "";
  throw new HandshakeError("extension", verdict + detail, { cause });
}

/** What a server takes of a client's offers. */
export interface TakenExtensions {
  /** The field to answer with; `""` if none is taken. */
  readonly field: string;
  /** The extensions, in the order of the answer. */
  readonly extensions: Extension[];
}

/**
 * Takes of a client's offers, in the client's order, those that the server has and
 * that get along with each other; `undefined` if the field is malformed.
 */
export function takeExtensions(
  field: string,
  extensions: readonly ServerExtension[],
): TakenExtensions | undefined {
  const elements = parseElements(field);
  if (elements === undefined) return undefined;
  const answers: string[] = [];
  const taken: Extension[] = [];
  const free = new Set(extensions);
  for (const { name, parameters } of elements) {
    for (const candidate of free) {
      if (
        candidate.name !== name ||
        taken.some((other) => overlap(other.reserved, candidate.reserved))
      ) continue;
      const answer = answerOf(candidate, parameters);
      if (answer === undefined) continue;
      answers.push(answer.field);
      taken.push(answer.extension);
      free.delete(candidate);
      break;
    }
  }
  return { field: answers.join(", "), extensions: taken };
}

/**
 * How an offer is answered. An extension that cannot cope with it has declined it, as
 * has one whose answer is no good: it may hold what the client has sent.
 */
function answerOf(
  candidate: ServerExtension,
  parameters: FieldElement["parameters"],
): { field: string; extension: Extension } | undefined {
  try {
    const answer = candidate.answer(parameters);
    if (answer === undefined) return undefined;
    checkReserved(answer.extension, candidate);
    const { name } = candidate;
    const field = formatElements([{ name, parameters: answer.parameters }]);
    return { field, extension: answer.extension };
  } catch {
    return undefined;
  }
}

/**
 * Checks that no extension wants a bit that the application claims.
 *
 * @throws {RangeError} If one does
 */
export function checkClaims(
  extensions: readonly { name: string; reserved: Reserved }[],
  claimed: Reserved | undefined,
): void {
  for (const { name, reserved } of extensions) {
    if (claimed !== undefined && overlap(reserved, claimed)) {
      throw new RangeError(
        `Cannot use the extension "${name}": the application claims one of its reserved bits`,
      );
    }
  }
}

/** Checks that an extension claims no more bits than was said of it before. */
function checkReserved(
  { reserved }: Extension,
  known: { name: string; reserved: Reserved },
): void {
  if ((reservedBits(reserved) & ~reservedBits(known.reserved)) === 0) return;
  throw new RangeError(
    `Cannot use the extension "${known.name}": it claims the bits [${reserved}] and said [${known.reserved}]`,
  );
}

function overlap(a: Reserved, b: Reserved): boolean {
  return a.some((bit, i) => bit === 1 && b[i] === 1);
}
