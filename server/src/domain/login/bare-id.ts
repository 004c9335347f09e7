import type { BareIdCredential } from "@parley/proto/parley/v1/auth_service_pb.js";
import { UserKind } from "@parley/proto/parley/v1/user_pb.js";
import { hasCredential } from "../../store/credentials.js";
import { findUser } from "../../store/users.js";
import type { AppRecord } from "../apps.js";
import { DomainError, ErrorReason } from "../errors.js";
import { type Admission, makeUser } from "./admit-user.js";

/** Takes a user id for its word; see BareIdCredential. */
export function checkBareId(app: AppRecord, { userId }: BareIdCredential): Admission {
  if (!app.rules.allowBareIdLogin) throw disabled("this app does not allow login by a bare id");
  return async (tx) => {
    const user = await findUser(tx.db, app.appId, userId);
    if (user === undefined) return await makeUser(tx, userId, UserKind.ORDINARY);
    if (user.kind === UserKind.GUEST) throw disabled("this is a guest, who logs in as one or by another credential");
    if (await hasCredential(tx.db, app.appId, userId)) throw disabled("this user has another credential");
    return { userId, created: false };
  };
}

function disabled(message: string): DomainError {
  return new DomainError(ErrorReason.LOGIN_DISABLED, message, { field: "bare_id" });
}
