import { UserKind } from "@parley/proto/parley/v1/user_pb.js";
import type { Tx } from "../../store/committer.js";
import { findUser, insertUser, type UserRow, updateUser } from "../../store/users.js";
import type { Ctx } from "../context.js";
import { emitUserChanged } from "../user-changed.js";

/** The user of a session to open. */
export interface Admitted {
  userId: string;
  created: boolean;
}

/** The rest of a check that passed: finds or makes the user inside the transaction that opens the session, or refuses after all. */
export type Admission = (tx: Tx) => Promise<Admitted>;

/** Makes a user with an empty profile. */
export async function makeUser(
  tx: Tx,
  userId: string,
  kind: UserKind,
  attributes: UserRow["attributes"] = null,
): Promise<Admitted> {
  await insertUser(tx, { user_id: userId, kind, display_name: "", avatar_url: "", attributes });
  return { userId, created: true };
}

/** The user of an id that the app's backend vouches for. It is made when absent; a guest becomes an ordinary user under its id. */
export async function admitVouched(ctx: Pick<Ctx, "sessions">, tx: Tx, userId: string): Promise<Admitted> {
  const user = await findUser(tx.db, tx.appId, userId);
  if (user === undefined) return await makeUser(tx, userId, UserKind.ORDINARY);
  if (user.kind === UserKind.GUEST) {
    const upgraded = await updateUser(tx, userId, { kind: UserKind.ORDINARY });
    if (upgraded !== undefined) await emitUserChanged(tx, upgraded);
    tx.afterCommit(() => ctx.sessions.forgetUser(tx.appId, userId));
  }
  return { userId, created: false };
}
