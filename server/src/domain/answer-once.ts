import { fromBinary, type Message, toBinary } from "@bufbuild/protobuf";
import type { GenMessage } from "@bufbuild/protobuf/codegenv2";
import { findAnswer, keepAnswer } from "../store/answered.js";
import type { Tx } from "../store/committer.js";
import { hashBytes } from "./canonical.js";
import { DomainError, ErrorReason } from "./errors.js";

/** A request that may carry a key, so that a repeat of it does nothing again. */
export interface KeyedRequest {
  requestId: string;
}

/**
 * Does the work of a keyed request once: a repeat gets the first answer, another request under the same key IDEMPOTENCY_CONFLICT.
 * It runs inside the writing transaction, so two tries that race do the work once.
 */
export async function answerOnce<T extends Message>(
  tx: Tx,
  userId: string,
  request: KeyedRequest,
  kept: { schema: GenMessage<T>; forMs: number },
  work: () => Promise<T>,
): Promise<T> {
  const { requestId } = request;
  if (requestId === "") return await work();
  const requestHash = hashOf(request);
  const known = await findAnswer(tx, userId, requestId);
  if (known !== undefined) {
    if (requestHash.equals(known.request_hash)) return fromBinary(kept.schema, known.response);
    throw new DomainError(ErrorReason.IDEMPOTENCY_CONFLICT, "this request_id was used for another request", {
      field: "request_id",
    });
  }
  const answer = await work();
  const response = Buffer.from(toBinary(kept.schema, answer));
  await keepAnswer(tx, userId, requestId, { requestHash, response, expireMs: tx.nowMs + kept.forMs });
  return answer;
}

/** The mark of what a request says: equal for two tries whatever the order of the fields of its free data. */
export function hashOf(request: KeyedRequest): Buffer {
  const plain = { ...request, requestId: "", $unknown: undefined };
  return hashBytes(Buffer.from(JSON.stringify(plain, (_, value: unknown) => sorted(value))));
}

function sorted(value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
