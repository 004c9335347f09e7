import type { JsonObject, JsonValue, MessageInitShape } from "@bufbuild/protobuf";
import { toJson } from "@bufbuild/protobuf";
import { ValueSchema } from "@bufbuild/protobuf/wkt";
import type { AttributeTargetSchema } from "@parley/proto/parley/v1/attributes_pb.js";
import { present } from "./page.js";
import type { Rpc } from "./rpc.js";

/** The free data of one user, group, room or member: at most 16 KiB encoded and 16 levels. Errors of all: NOT_FOUND, NOT_MEMBER, ROLE_TOO_LOW. */
export interface Attributes {
  /** Gets all of them. */
  get(): Promise<JsonObject>;
  /** Gets one by its path, such as `address.city`; a backslash stands before a dot that is part of a key. Errors: NOT_FOUND (path). */
  getOne(path: string): Promise<JsonValue>;
  /** Merges: null removes, objects merge key by key, all else replaces. Gives them as they are then. Errors: TOO_LARGE. */
  merge(patch: JsonObject): Promise<JsonObject>;
  /** Replaces all of them. Errors: TOO_LARGE. */
  replace(attributes: JsonObject): Promise<JsonObject>;
  /** Removes all of them. */
  clear(): Promise<void>;
}

type Target = NonNullable<MessageInitShape<typeof AttributeTargetSchema>["target"]>;

/** Makes the calls about the attributes of one thing; without a target, of the caller's own user. */
export function createAttributes({ user }: Pick<Rpc, "user">, of?: Target): Attributes {
  const target = of && { target: { target: of } };
  return {
    get: async () => present((await user.getAttributes({ ...target })).attributes),
    getOne: async (path) => toJson(ValueSchema, present((await user.getAttribute({ ...target, path })).value)),
    merge: async (attributes) => present((await user.updateAttributes({ ...target, attributes })).attributes),
    replace: async (attributes) => present((await user.replaceAttributes({ ...target, attributes })).attributes),
    clear: async () => void (await user.clearAttributes({ ...target })),
  };
}
