import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type Presence, PresenceSchema } from "@parley/proto/parley/v1/user_pb.js";
import type { UserRow } from "../../store/users.js";
import type { Ctx } from "../context.js";

/** The presence of a stored user as it is now. */
export function presenceOf(ctx: Ctx, user: UserRow): Presence {
  const { online, lastActiveMs = user.last_active_ms } = ctx.presence.of(user);
  return create(PresenceSchema, {
    userId: user.user_id,
    online,
    lastActiveTime: lastActiveMs === null ? undefined : timestampFromMs(lastActiveMs),
  });
}
