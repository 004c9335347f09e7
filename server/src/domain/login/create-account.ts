import type { CreateAccountRequest } from "@parley/proto/parley/v1/auth_service_pb.js";
import { type User, UserKind } from "@parley/proto/parley/v1/user_pb.js";
import { findCredential, insertCredential } from "../../store/credentials.js";
import type { Db } from "../../store/schema.js";
import { insertUser } from "../../store/users.js";
import type { Ctx } from "../context.js";
import { DomainError, ErrorReason } from "../errors.js";
import { screenName } from "../filter/screen.js";
import { userOf } from "../user.js";
import { appForLogin, limitAddress, limitNewcomers, limitTries } from "./limits.js";

/** Makes a user with a username and a password; see AuthService.CreateAccount. */
export async function createAccount(ctx: Ctx, request: CreateAccountRequest, address: string): Promise<User> {
  const { username, password, displayName } = request;
  limitAddress(ctx, address);
  const app = await appForLogin(ctx, request.appId, request.clientKey);
  if (!app.rules.allowAccountCreation)
    throw new DomainError(ErrorReason.LOGIN_DISABLED, "this app does not allow making accounts");
  await limitTries(ctx, app, `account|${username}`, address);
  limitNewcomers(ctx, app, address);
  // Asked before the costly hash, and again where nobody can come between.
  await refuseTaken(ctx.read, app.appId, username);
  const named =
    displayName === "" ? { field: "username", name: username } : { field: "display_name", name: displayName };
  const shown = await screenName(ctx, { kind: "nobody", appId: app.appId }, named.field, named.name);
  const secret = await ctx.passwords.hash(password);
  return await ctx.committer.run(app.appId, async (tx) => {
    await refuseTaken(tx.db, app.appId, username);
    const user = await insertUser(tx, {
      user_id: ctx.newId(),
      kind: UserKind.ORDINARY,
      display_name: shown,
      avatar_url: "",
      attributes: null,
    });
    await insertCredential(tx, { kind: "password", name: username, user_id: user.user_id, secret });
    return userOf(user);
  });
}

async function refuseTaken(db: Db, appId: string, username: string): Promise<void> {
  if ((await findCredential(db, appId, "password", username)) !== undefined)
    throw new DomainError(ErrorReason.ALREADY_EXISTS, "this username is taken", { field: "username" });
}
