import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type User, UserSchema } from "@parley/proto/parley/v1/user_pb.js";
import type { UserRow } from "../store/users.js";
import { unpackStruct } from "./struct.js";

/** A stored user in the form of the contract. */
export function userOf(row: UserRow): User {
  return create(UserSchema, {
    userId: row.user_id,
    kind: row.kind,
    displayName: row.display_name,
    avatarUrl: row.avatar_url,
    attributes: unpackStruct(row.attributes),
    createTime: timestampFromMs(row.create_ms),
  });
}
