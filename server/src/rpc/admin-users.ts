import type { MessageInitShape } from "@bufbuild/protobuf";
import type { AdminService } from "@parley/proto/parley/v1/admin_service_pb.js";
import type { ImportUserResultSchema } from "@parley/proto/parley/v1/user_import_pb.js";
import { deleteUser, getUserDeletion } from "../domain/admin/delete-user.js";
import { disconnectUser } from "../domain/admin/disconnect-user.js";
import { importMessages } from "../domain/admin/import-messages.js";
import { type ImportedOutcome, importUsers } from "../domain/admin/import-users.js";
import { getUserDetail } from "../domain/admin/user-detail.js";
import { asService } from "../domain/caller.js";
import type { Ctx } from "../domain/context.js";
import { codeName, wireError } from "./errors.js";
import type { Call, Handlers } from "./funnel.js";

type UserCalls = Pick<
  Handlers<typeof AdminService>,
  "getUserDetail" | "disconnectUser" | "deleteUser" | "getUserDeletion" | "importUsers" | "importMessages"
>;

/** The calls of AdminService about users. */
export function adminUserHandlers(ctx: Ctx, report: (error: unknown, call: Call) => void): UserCalls {
  const resultOf = (
    { userId, created, friendsAdded, error }: ImportedOutcome,
    call: Call,
  ): MessageInitShape<typeof ImportUserResultSchema> => {
    if (error === undefined) return { userId, created, friendsAdded };
    const { code, message, detail, unexpected } = wireError(error, call.requestId);
    if (unexpected) report(error, call);
    return { userId, created, friendsAdded, error: { code: codeName(code), message, detail } };
  };
  return {
    getUserDetail: async ({ caller }, { userId }) => ({ detail: await getUserDetail(ctx, asService(caller), userId) }),
    disconnectUser: ({ caller }, { userId, revokeSessions }) =>
      disconnectUser(ctx, asService(caller), userId, revokeSessions),
    async deleteUser({ caller }, { userId }) {
      await deleteUser(ctx, asService(caller), userId);
      return {};
    },
    getUserDeletion: ({ caller }, { userId }) => getUserDeletion(ctx, asService(caller), userId),
    async importUsers(call, request) {
      const outcomes = await importUsers(ctx, asService(call.caller), request);
      return { results: outcomes.map((outcome) => resultOf(outcome, call)) };
    },
    importMessages: ({ caller }, request) => importMessages(ctx, asService(caller), request),
  };
}
