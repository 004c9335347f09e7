import type { LinkCredentialRequest } from "@parley/proto/parley/v1/auth_service_pb.js";
import type { LinkedCredential } from "@parley/proto/parley/v1/linked_credential_pb.js";
import type { Tx } from "../../../store/committer.js";
import { findCredential, insertCredential, listCredentials } from "../../../store/credentials.js";
import { findUser } from "../../../store/users.js";
import { findAppRecord } from "../../admin/app.js";
import type { AppRecord } from "../../apps.js";
import type { UserCaller } from "../../caller.js";
import type { Ctx } from "../../context.js";
import { DomainError, ErrorReason, invalidField, notFound } from "../../errors.js";
import { type Proof, upgradeGuest } from "../admit-user.js";
import { limitTries } from "../limits.js";
import { proveOauth } from "../oauth/prove-oauth.js";
import { proveSms } from "../sms/prove-sms.js";
import { linkedCredential, requireSession } from "./credential.js";

/** A credential to link: proved, or new, in which case it comes with what it is checked by. */
type NewCredential = Proof & { secret?: string };

/** Gives the caller a further way to log in; see AuthService.LinkCredential. */
export async function linkCredential(
  ctx: Ctx,
  caller: UserCaller & { sessionId: string },
  { credential }: LinkCredentialRequest,
  address: string,
): Promise<LinkedCredential> {
  const app = await findAppRecord(ctx, caller.appId);
  const proved = await prove(ctx, app, credential, address);
  const done = await ctx.committer.run(app.appId, (tx) => link(ctx, tx, caller, proved));
  if (done !== undefined) throw done;
  return linkedCredential(proved);
}

async function prove(
  ctx: Ctx,
  app: AppRecord,
  credential: LinkCredentialRequest["credential"],
  address: string,
): Promise<NewCredential> {
  switch (credential.case) {
    case "password": {
      const { username, password } = credential.value;
      await limitTries(ctx, app, `account|${username}`, address);
      // Asked before the costly hash, and again where nobody can come between.
      if ((await findCredential(ctx.read, app.appId, "password", username)) !== undefined) throw taken("password");
      const secret = await ctx.passwords.hash(password);
      return { kind: "password", name: username, secret, take: async () => undefined };
    }
    case "sms":
      await limitTries(ctx, app, `sms|${credential.value.phoneNumber}`, address);
      return proveSms(ctx, app, credential.value);
    case "oauth":
      return await proveOauth(ctx, app, credential.value, address);
    default:
      throw invalidField("credential", "a credential is required");
  }
}

/** Gives the refusal that is kept: a code that was right is used up, whatever comes after. */
async function link(
  ctx: Ctx,
  tx: Tx,
  caller: UserCaller & { sessionId: string },
  { kind, name, secret, take }: NewCredential,
): Promise<DomainError | undefined> {
  await requireSession(tx, caller);
  const user = await findUser(tx.db, tx.appId, caller.userId);
  if (user === undefined) throw notFound("user", "");
  const refusal = await take(tx);
  if (refusal !== undefined) return refusal;
  const field = kind.split(":")[0] ?? kind;
  const holder = await findCredential(tx.db, tx.appId, kind, name);
  if (holder !== undefined) return holder.user_id === caller.userId && secret === undefined ? undefined : taken(field);
  const own = await listCredentials(tx.db, tx.appId, caller.userId);
  if (own.some((one) => one.kind === kind))
    return new DomainError(ErrorReason.ALREADY_EXISTS, "the user has a credential of this kind", { field });
  await insertCredential(tx, { kind, name, user_id: caller.userId, secret: secret ?? "" });
  await upgradeGuest(ctx, tx, user);
  return undefined;
}

function taken(field: string): DomainError {
  return new DomainError(ErrorReason.ALREADY_EXISTS, "this credential is taken", { field });
}
