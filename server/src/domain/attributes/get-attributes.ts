import type { JsonObject } from "@bufbuild/protobuf";
import { fromJson } from "@bufbuild/protobuf";
import { type Value, ValueSchema } from "@bufbuild/protobuf/wkt";
import type { AttributeTarget } from "@parley/proto/parley/v1/attributes_pb.js";
import { snapshot } from "../../store/snapshot.js";
import type { Caller } from "../caller.js";
import type { Ctx } from "../context.js";
import { notFound } from "../errors.js";
import { unpackStruct } from "../struct.js";
import { keysOf, valueAt } from "./path.js";
import { targetOf } from "./target.js";

/** Gets all attributes of a target; see UserService.GetAttributes. */
export async function getAttributes(
  ctx: Ctx,
  caller: Caller,
  target: AttributeTarget | undefined,
): Promise<JsonObject> {
  const { find } = targetOf(caller, target);
  return await snapshot(ctx.read, async (db) => {
    const found = await find(db);
    found.mayRead();
    return unpackStruct(found.attributes);
  });
}

/** Gets one attribute of a target; see UserService.GetAttribute. */
export async function getAttribute(
  ctx: Ctx,
  caller: Caller,
  target: AttributeTarget | undefined,
  path: string,
): Promise<Value> {
  const keys = keysOf("path", path);
  const value = valueAt(await getAttributes(ctx, caller, target), keys);
  if (value === undefined) throw notFound("attribute", "path");
  return fromJson(ValueSchema, value);
}
