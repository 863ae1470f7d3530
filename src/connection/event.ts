// What a connection gives and takes. Both have one shape, so that an event can be
// sent on as it is, and custom opcodes become part of the types.

import type {
  ControlOpcode,
  CustomOpcodes,
  DataOpcode,
} from "../framing/opcode.ts";
import type { Reserved } from "../framing/frame.ts";
import type { FailureRule } from "../framing/failure.ts";

/** The opcodes of those who register none. */
export type NoOpcodes = Readonly<Record<never, never>>;

/** The reserved bits of those who claim none. */
export type NoReserved = readonly [0, 0, 0];

/** The names in `O` whose opcodes are of one kind. */
export type NameOf<O, Kind> = {
  [Name in keyof O & string]: O[Name] extends Kind ? Name
    : Kind extends O[Name] ? Name
    : never;
}[keyof O & string];

/** The names of the data opcodes that an application has registered. */
export type DataName<O> = NameOf<O, DataOpcode>;

/** The names of the control opcodes that an application has registered. */
export type ControlName<O> = NameOf<O, ControlOpcode>;

/** The message of a text: bytes only where the application claims reserved bits. */
export type TextMessage<R> = R extends NoReserved ? string
  : string | Uint8Array<ArrayBuffer>;

/**
 * What all events of frames have in common; each has all of these fields, so that
 * it can be sent on.
 *
 * @typeParam Type The name of the opcode
 * @typeParam Message Text or bytes
 * @typeParam Fin `true` where it cannot be otherwise
 * @typeParam StatusCode A number for a close alone
 * @typeParam Of A name for a `"continue"` alone
 */
export interface FrameEvent<
  Type extends string,
  Message,
  Fin extends boolean = boolean,
  StatusCode extends number | undefined = undefined,
  Of extends string | undefined = undefined,
> {
  /** What kind of message this is. */
  type: Type;
  /** What was received. A view into the received bytes where it is bytes. */
  message: Message;
  /**
   * Whether the message ends here: always, where whole messages are delivered.
   * A control frame is always whole.
   */
  fin: Fin;
  /** The reserved bits that the application claims, as they were received. */
  reserved: Reserved;
  /** The close code; `undefined` for all but a close, and for a close without. */
  statusCode: StatusCode;
  /** What a `"continue"` goes on with; `undefined` for all others. */
  of: Of;
}

/** Text was received. */
export type TextEvent<Message = string> = FrameEvent<"text", Message>;

/** A message of bytes was received: binary, or of a data opcode of one's own. */
export type DataEvent<Type extends string = "binary"> = FrameEvent<
  Type,
  Uint8Array<ArrayBuffer>
>;

/** More of a text was received, in `"frame"` and `"chunk"` delivery. */
export type TextContinueEvent<Message = string> = FrameEvent<
  "continue",
  Message,
  boolean,
  undefined,
  "text"
>;

/** More of a message of bytes was received, in `"frame"` and `"chunk"` delivery. */
export type DataContinueEvent<Of extends string = "binary"> = FrameEvent<
  "continue",
  Uint8Array<ArrayBuffer>,
  boolean,
  undefined,
  Of
>;

/** A control frame was received: a ping, a pong, or one of one's own. */
export type ControlEvent<Type extends string = "ping" | "pong"> = FrameEvent<
  Type,
  Uint8Array<ArrayBuffer>,
  true
>;

/** A close frame was received: `reply` to it. Nothing more will be received. */
export type CloseEvent = FrameEvent<
  "close",
  string,
  true,
  number | undefined
>;

/**
 * The peer broke a rule, or the stream ended without a closing handshake (code
 * 1006): `reply` to it. Nothing more will be received.
 */
export interface FailEvent {
  /** Tells a failure from what was received. */
  type: "fail";
  /** The rule that was broken. */
  rule: FailureRule;
  /** The close code that says so (RFC 6455, section 7.4.1). */
  code: number;
  /** What was seen, for a person to read. */
  message: string;
  /** What an extension has thrown; absent for all other rules. */
  cause?: unknown;
}

/**
 * What {@linkcode Connection.nextEvent} gives, told apart by `type`.
 *
 * @typeParam O The opcodes that the application has registered
 * @typeParam R The reserved bits that it claims
 */
export type ReceivedEvent<
  O extends CustomOpcodes = NoOpcodes,
  R extends Reserved = NoReserved,
> =
  | TextEvent<TextMessage<R>>
  | DataEvent<"binary" | DataName<O>>
  | TextContinueEvent<TextMessage<R>>
  | DataContinueEvent<"binary" | DataName<O>>
  | ControlEvent<"ping" | "pong" | ControlName<O>>
  | CloseEvent
  | FailEvent;

/** The names that `send` takes besides those that the application registers. */
export type StandardName =
  | "text"
  | "binary"
  | "continue"
  | "ping"
  | "pong"
  | "close";

/**
 * What {@linkcode Connection.send} takes. An event that was received is one, but
 * for a failure.
 *
 * @typeParam O The opcodes that the application has registered
 */
export interface SendData<O extends CustomOpcodes = NoOpcodes> {
  /** What to send. */
  type: StandardName | keyof O & string;
  /**
   * The payload: a string is sent as its UTF-8, a view or a buffer by its bytes.
   * For a close, the reason. It is not changed.
   *
   * @default {""}
   */
  message?: string | ArrayBufferView | ArrayBuffer | undefined;
  /**
   * Whether the message ends here. If not, go on with `"continue"`.
   *
   * @default {true}
   */
  fin?: boolean | undefined;
  /**
   * Reserved bits, of those that the application claims.
   *
   * @default {[0, 0, 0]}
   */
  reserved?: Reserved | undefined;
  /** The close code, for a close alone: 1000 to 1003, 1007 to 1014, 3000 to 4999. */
  statusCode?: number | undefined;
  /**
   * Whether to compress the message: a hint to an extension, which decides where
   * it is left out. Without an extension it has no effect.
   */
  compress?: boolean | undefined;
  /** Not looked at: there so that a received `"continue"` can be sent on. */
  of?: string | undefined;
}
