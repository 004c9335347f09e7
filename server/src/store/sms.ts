import type { Tx } from "./committer.js";
import type { Row } from "./schema.js";

export type SmsNumber = Omit<Row<"sms_number">, "app_id">;
export type SmsDay = Omit<Row<"sms_day">, "app_id">;

/** What is known of a number to which a code was sent lately. */
export async function findSmsNumber(tx: Tx, numberHash: string): Promise<SmsNumber | undefined> {
  return await tx.db
    .selectFrom("sms_number")
    .select(["number_hash", "code_hash", "code_expire_ms", "tries", "sent_ms", "day_ms", "day_sent", "expire_ms"])
    .where("app_id", "=", tx.appId)
    .where("number_hash", "=", numberHash)
    .executeTakeFirst();
}

/** Keeps a number, in the place of what was known of it. */
export async function putSmsNumber(tx: Tx, number: SmsNumber): Promise<void> {
  const { number_hash: _, ...facts } = number;
  await tx.db
    .insertInto("sms_number")
    .values({ ...number, app_id: tx.appId })
    .onConflict((conflict) => conflict.columns(["app_id", "number_hash"]).doUpdateSet(facts))
    .execute();
}

export async function deleteSmsNumber(tx: Tx, numberHash: string): Promise<void> {
  await tx.db.deleteFrom("sms_number").where("app_id", "=", tx.appId).where("number_hash", "=", numberHash).execute();
}

/** The count of an app's codes, or undefined before the first. */
export async function findSmsDay(tx: Tx): Promise<SmsDay | undefined> {
  return await tx.db
    .selectFrom("sms_day")
    .select(["day_ms", "day_sent"])
    .where("app_id", "=", tx.appId)
    .executeTakeFirst();
}

/** Keeps the count; none is kept of nothing. */
export async function putSmsDay(tx: Tx, day: SmsDay): Promise<void> {
  if (day.day_sent <= 0) return void (await tx.db.deleteFrom("sms_day").where("app_id", "=", tx.appId).execute());
  await tx.db
    .insertInto("sms_day")
    .values({ ...day, app_id: tx.appId })
    .onConflict((conflict) => conflict.column("app_id").doUpdateSet(day))
    .execute();
}
