import { type DescMessage, fromBinary, fromJsonString, type Message } from "@bufbuild/protobuf";
import { DomainError, ErrorReason, invalidField } from "../domain/errors.js";

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** Smaller JSON cannot nest so deep that it costs anything to make it and refuse it then. */
const HARMLESS_BYTES = 8 * 1024;
/** Deeper than any message of the contract can be. */
const DEEPEST = 128;

/** The message that a request's bytes are. Throws the refusal of those that are none. */
export function decodeRequest(schema: DescMessage, codec: "json" | "proto", bytes: Uint8Array): Message {
  return parsed(() => {
    if (codec === "proto") return fromBinary(schema, bytes);
    if (bytes.length > HARMLESS_BYTES && nestsDeeperThan(DEEPEST, bytes)) throw new Error("nested too deep");
    return fromJsonString(schema, utf8.decode(bytes), { ignoreUnknownFields: true });
  });
}

/** Runs a parser on what a client sent, and throws the refusal of what it cannot read. */
export function parsed<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw parseError(error);
  }
}

/**
 * The refusal of a request that cannot be decoded. The library's own words may repeat what was sent, such as a password in a field of another
 * type, so only the names of the contract are taken from them.
 */
function parseError(error: unknown): DomainError {
  const text = error instanceof Error ? error.message : "";
  const named = /^cannot decode (?:field|oneof|message|enum) (?:parley\.v1|google\.protobuf)\.[\w.]+/.exec(text)?.[0];
  return invalidField("", `the request cannot be parsed${named === undefined ? "" : `: ${named}`}`);
}

/** The refusal of what is no request at all. */
export function malformed(text: string): DomainError {
  return invalidField("", `the request cannot be parsed: ${text}`);
}

/** The refusal of a request that is larger than allowed. */
export function tooLarge(most: number): DomainError {
  return new DomainError(ErrorReason.TOO_LARGE, `the request is larger than ${most} bytes`, {
    metadata: { limit: String(most) },
  });
}

const [QUOTE, BACKSLASH, OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = [...'"\\[]{}'].map((letter) =>
  letter.charCodeAt(0),
);

/** Whether JSON opens more objects and lists within each other than allowed, told from its bytes before anything is made of them. */
function nestsDeeperThan(most: number, bytes: Uint8Array): boolean {
  let depth = 0;
  let inText = false;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at];
    if (byte === QUOTE) inText = !inText;
    else if (inText) at += byte === BACKSLASH ? 1 : 0;
    else if (byte === OPEN_LIST || byte === OPEN_OBJECT) depth++;
    else if (byte === CLOSE_LIST || byte === CLOSE_OBJECT) depth--;
    if (depth > most) return true;
  }
  return false;
}
