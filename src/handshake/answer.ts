// What a server says to a request that does not become a WebSocket: a page, a
// 401, a redirection.
import { concat } from "@std/bytes";
import { encodeHead, REASONS, type ResponseHead } from "./head.ts";

/** An answer of one's own to a request, given by `onRequest`. */
export interface RequestAnswer {
  /** The status code, from 200 to 599. */
  readonly status: number;
  /**
   * The reason phrase, which nobody reads.
   *
   * @default {""}
   */
  readonly reason?: string | undefined;
  /**
   * The fields, and no others but `Connection`, `Content-Length` and, for a
   * string, `Content-Type` where it is left out. `Connection`, `Content-Length`
   * and `Transfer-Encoding` may not be given.
   */
  readonly headers?: HeadersInit | undefined;
  /**
   * The body; a string is sent as its UTF-8.
   *
   * @default {""}
   */
  readonly body?: string | Uint8Array | undefined;
}

/** A response and its body, encoded. */
export interface EncodedAnswer {
  readonly response: ResponseHead;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/**
 * Encodes a response whose head says how long its body is; the body of a response
 * to HEAD is left out (RFC 9110, section 9.3.2).
 */
export function encodeResponse(
  response: ResponseHead,
  body: string | Uint8Array,
  method?: string,
): EncodedAnswer {
  const head = encodeHead(response);
  const bytes = method === "HEAD" ? head : concat([head, bytesOf(body)]);
  return { response, bytes };
}

function bytesOf(body: string | Uint8Array): Uint8Array {
  return typeof body === "string" ? new TextEncoder().encode(body) : body;
}

/** Encodes an answer. Throws if it is one that may not be given. */
export function encodeAnswer(
  answer: RequestAnswer,
  method: string,
): EncodedAnswer {
  const { status, body = "" } = answer;
  if (!Number.isInteger(status) || status < 200 || status > 599) {
    throw new RangeError(
      `Cannot answer a request with status ${status}: it is not 200 to 599`,
    );
  }
  const headers = new Headers(answer.headers);
  for (const name of ["Connection", "Content-Length", "Transfer-Encoding"]) {
    if (headers.has(name)) {
      throw new TypeError(
        `Cannot answer a request with the header ${name}: it is written for you`,
      );
    }
  }

  const bytes = bytesOf(body);
  headers.set(
    "Connection",
    headers.has("Upgrade") ? "close, Upgrade" : "close",
  );
  // These two have no body, and so no length (RFC 9110, section 8.6).
  if (status === 204 || status === 304) {
    if (bytes.length > 0) {
      throw new TypeError(`Cannot answer with status ${status} and a body`);
    }
  } else {
    headers.set("Content-Length", `${bytes.length}`);
    if (
      typeof body === "string" && body !== "" && !headers.has("Content-Type")
    ) {
      headers.set("Content-Type", "text/plain; charset=utf-8");
    }
  }
  const reason = answer.reason ?? REASONS.get(status) ?? "";
  return encodeResponse({ status, reason, headers }, bytes, method);
}
