// The rules that a peer can break, and what a broken one is called.

/**
 * The rule that a peer has broken, as a `fail` event and a summary name it. The
 * close code in brackets is what the connection fails with (RFC 6455, section
 * 7.4.1).
 *
 * - `"reserved-bits"`: a reserved bit that nothing has claimed (1002)
 * - `"opcode"`: an opcode that is neither standard nor registered (1002)
 * - `"fragmented-control"`: a control frame without FIN (1002)
 * - `"unexpected-continuation"`: a continuation with nothing to continue (1002)
 * - `"unfinished-message"`: a data frame in the middle of a fragmented message (1002)
 * - `"masked-frame"`: a masked frame at a client (1002)
 * - `"unmasked-frame"`: an unmasked frame at a server (1002)
 * - `"control-length"`: a control frame with more than 125 bytes (1002)
 * - `"length-form"`: a length that is not in its shortest form, or has its top
 *   bit set (1002)
 * - `"frame-limit"`: a frame longer than `maxFrameBytes` (1009)
 * - `"message-limit"`: a message longer than `maxMessageBytes`, or than the
 *   engine can hold (1009)
 * - `"close-length"`: a close frame with a payload of 1 byte (1002)
 * - `"close-code"`: a close code that may not be on the wire (1002)
 * - `"utf-8"`: text, or the reason of a close, that is not UTF-8 (1007)
 * - `"extension"`: what an extension could not decode (its own code, 1007 for
 *   deflate), or an extension that failed itself (1011)
 * - `"end-of-stream"`: the stream ended without a closing handshake (1006)
 */
export type FailureRule =
  | "reserved-bits"
  | "opcode"
  | "fragmented-control"
  | "unexpected-continuation"
  | "unfinished-message"
  | "masked-frame"
  | "unmasked-frame"
  | "control-length"
  | "length-form"
  | "frame-limit"
  | "message-limit"
  | "close-length"
  | "close-code"
  | "utf-8"
  | "extension"
  | "end-of-stream";

/** What a peer did wrong: the rule, the close code, and a sentence for a person. */
export interface Failure {
  /** The rule that was broken. */
  readonly rule: FailureRule;
  /** The close code to fail the connection with (RFC 6455, section 7.4.1). */
  readonly code: number;
  /** What was seen, for a person to read. */
  readonly message: string;
  /** What an extension has thrown; absent for all other rules. */
  readonly cause?: unknown;
}
