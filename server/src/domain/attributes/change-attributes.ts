import type { JsonObject } from "@bufbuild/protobuf";
import type { AttributeTarget } from "@parley/proto/parley/v1/attributes_pb.js";
import type { Caller } from "../caller.js";
import type { Ctx } from "../context.js";
import { sameStruct } from "../same-struct.js";
import { packStruct, unpackStruct } from "../struct.js";
import { merge } from "./merge.js";
import { targetOf } from "./target.js";

/** Merges into the attributes of a target and tells of it; see UserService.UpdateAttributes. */
export async function updateAttributes(
  ctx: Ctx,
  caller: Caller,
  target: AttributeTarget | undefined,
  patch: JsonObject,
): Promise<JsonObject> {
  // What is no data at all is refused before anything is read.
  packStruct(ctx.limits, "attributes", patch);
  return await change(ctx, caller, target, (old) => merge(old, patch));
}

/** Replaces the attributes of a target and tells of it; see UserService.ReplaceAttributes. */
export async function replaceAttributes(
  ctx: Ctx,
  caller: Caller,
  target: AttributeTarget | undefined,
  attributes: JsonObject,
): Promise<JsonObject> {
  packStruct(ctx.limits, "attributes", attributes);
  return await change(ctx, caller, target, () => attributes);
}

/** Removes the attributes of a target and tells of it; see UserService.ClearAttributes. */
export async function clearAttributes(ctx: Ctx, caller: Caller, target: AttributeTarget | undefined): Promise<void> {
  await change(ctx, caller, target, () => ({}));
}

async function change(
  ctx: Ctx,
  caller: Caller,
  target: AttributeTarget | undefined,
  next: (old: JsonObject) => JsonObject,
): Promise<JsonObject> {
  const { appId, find } = targetOf(caller, target);
  return await ctx.committer.run(appId, async (tx) => {
    const found = await find(tx.db);
    found.mayWrite();
    const packed = packStruct(ctx.limits, "attributes", next(unpackStruct(found.attributes)));
    if (!sameStruct(packed, found.attributes)) await found.write(tx, packed);
    return unpackStruct(packed);
  });
}
