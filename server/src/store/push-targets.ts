import type { Db } from "./schema.js";

/** The most installations that one call pushes to. */
const MOST_TARGETS = 100;

/** The installations with a push token of a user, or the one of an id, by id. */
export async function listTargets(db: Db, appId: string, whose: { userId: string } | { installationId: string }) {
  const [column, value] =
    "userId" in whose ? (["user_id", whose.userId] as const) : (["installation_id", whose.installationId] as const);
  return await db
    .selectFrom("installation")
    .select(["installation_id", "push_provider", "push_environment", "push_token"])
    .where("app_id", "=", appId)
    .where(column, "=", value)
    .where("push_token", "!=", "")
    .orderBy("installation_id")
    .limit(MOST_TARGETS)
    .execute();
}
