import type { GuestCredential } from "@parley/proto/parley/v1/auth_service_pb.js";
import { UserKind } from "@parley/proto/parley/v1/user_pb.js";
import { findUser, updateUser } from "../../store/users.js";
import type { AppRecord } from "../apps.js";
import type { Ctx } from "../context.js";
import { DomainError, ErrorReason } from "../errors.js";
import { sameStruct } from "../same-struct.js";
import { packStruct } from "../struct.js";
import { emitUserChanged } from "../user-changed.js";
import { type Admission, makeUser } from "./admit-user.js";

/** Lets a guest in, under a fresh id or one it chose; see GuestCredential. */
export function checkGuest(ctx: Ctx, app: AppRecord, guest: GuestCredential): Admission {
  if (!app.rules.allowGuestLogin) throw disabled("this app does not allow guests");
  if (guest.userId !== "" && !app.rules.allowBareIdLogin) throw disabled("this app does not let guests choose an id");
  const attributes = packStruct(ctx.limits, "guest.attributes", guest.attributes);
  return async (tx) => {
    const userId = guest.userId === "" ? ctx.newId() : guest.userId;
    const user = await findUser(tx.db, app.appId, userId);
    if (user === undefined) return await makeUser(tx, userId, UserKind.GUEST, attributes);
    if (user.kind !== UserKind.GUEST) throw disabled("this id is an ordinary user's");
    if (guest.attributes !== undefined && !sameStruct(user.attributes, attributes)) {
      const changed = await updateUser(tx, userId, { attributes });
      if (changed !== undefined) await emitUserChanged(tx, changed);
    }
    return { userId, created: false };
  };
}

function disabled(message: string): DomainError {
  return new DomainError(ErrorReason.LOGIN_DISABLED, message, { field: "guest" });
}
