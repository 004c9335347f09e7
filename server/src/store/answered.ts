import type { Tx } from "./committer.js";

/** The answer that a user's keyed request got, while it is remembered. */
export async function findAnswer(tx: Tx, userId: string, requestId: string) {
  return await tx.db
    .selectFrom("answered")
    .select(["request_hash", "response"])
    .where("app_id", "=", tx.appId)
    .where("user_id", "=", userId)
    .where("request_id", "=", requestId)
    .where("expire_ms", ">", tx.nowMs)
    .executeTakeFirst();
}

/** Remembers an answer, in the place of one that is forgotten. */
export async function keepAnswer(
  tx: Tx,
  userId: string,
  requestId: string,
  answer: { requestHash: Buffer; response: Buffer; expireMs: number },
): Promise<void> {
  await tx.db
    .insertInto("answered")
    .values({
      app_id: tx.appId,
      user_id: userId,
      request_id: requestId,
      request_hash: answer.requestHash,
      response: answer.response,
      expire_ms: answer.expireMs,
    })
    .onConflict((conflict) =>
      conflict.columns(["app_id", "user_id", "request_id"]).doUpdateSet((e) => ({
        request_hash: e.ref("excluded.request_hash"),
        response: e.ref("excluded.response"),
        expire_ms: e.ref("excluded.expire_ms"),
      })),
    )
    .execute();
}
