import { UserKind } from "@parley/proto/parley/v1/user_pb.js";
import { findUser } from "../../store/users.js";
import type { ServiceCaller } from "../caller.js";
import type { Ctx } from "../context.js";
import { makeUser } from "./admit-user.js";
import { type OpenedSession, openSession } from "./open-session.js";

/** Opens a session for a user, who is made when absent and stays of its kind otherwise; see AdminService.CreateSession. */
export async function createSession(ctx: Ctx, caller: ServiceCaller, userId: string): Promise<OpenedSession> {
  return await ctx.committer.run(caller.appId, async (tx) => {
    const known = await findUser(tx.db, caller.appId, userId);
    const user = known === undefined ? await makeUser(tx, userId, UserKind.ORDINARY) : { userId, created: false };
    return await openSession(ctx, tx, user);
  });
}
