import { UserKind } from "@parley/proto/parley/v1/user_pb.js";
import type { Tx } from "../../store/committer.js";
import { findCredential, insertCredential } from "../../store/credentials.js";
import { findUser, insertUser, type UserRow, updateUser } from "../../store/users.js";
import type { Ctx } from "../context.js";
import type { DomainError } from "../errors.js";
import { emitUserChanged } from "../user-changed.js";

/** The user of a session to open. */
export interface Admitted {
  userId: string;
  created: boolean;
}

/**
 * The rest of a check that passed: finds or makes the user inside the transaction that opens the session, or refuses after all. What it throws
 * undoes the transaction; with a refusal that it gives, what it wrote, such as a count of tries, is kept.
 */
export type Admission = (tx: Tx) => Promise<Admitted | DomainError>;

/** A credential that needs no account: what was proved is enough to make its user. */
export interface Proof {
  kind: string;
  /** The phone number, or the id at the third party. */
  name: string;
  /** The rest of the proof, which must stand in the transaction that uses it: takes what is good once. A refusal that it gives is kept. */
  take(tx: Tx): Promise<DomainError | undefined>;
}

/** The user that a proof belongs to. The first time it is made, with an id of its own. */
export async function admitProof(ctx: Pick<Ctx, "newId">, tx: Tx, proof: Proof): Promise<Admitted | DomainError> {
  const refusal = await proof.take(tx);
  if (refusal !== undefined) return refusal;
  const { kind, name } = proof;
  const known = await findCredential(tx.db, tx.appId, kind, name);
  if (known !== undefined) return { userId: known.user_id, created: false };
  const made = await makeUser(tx, ctx.newId(), UserKind.ORDINARY);
  await insertCredential(tx, { kind, name, user_id: made.userId, secret: "" });
  return made;
}

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
  await upgradeGuest(ctx, tx, user);
  return { userId, created: false };
}

/** Makes an ordinary user of a guest, under its id. */
export async function upgradeGuest(ctx: Pick<Ctx, "sessions">, tx: Tx, { user_id, kind }: UserRow): Promise<void> {
  if (kind !== UserKind.GUEST) return;
  const upgraded = await updateUser(tx, user_id, { kind: UserKind.ORDINARY });
  if (upgraded !== undefined) await emitUserChanged(tx, upgraded);
  tx.afterCommit(() => ctx.sessions.forgetUser(tx.appId, user_id));
}
