import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { type PushTemplates, PushTemplatesSchema } from "@parley/proto/parley/v1/push_templates_pb.js";
import { findPushTemplates, putPushTemplates } from "../../store/push-jobs.js";
import type { ServiceCaller } from "../caller.js";
import type { Ctx } from "../context.js";
import { invalidField } from "../errors.js";

/** Replaces the words of the app's pushes; see AdminService.SetPushTemplates. */
export async function setPushTemplates(
  ctx: Ctx,
  caller: ServiceCaller,
  templates: PushTemplates | undefined,
): Promise<void> {
  if (templates === undefined) throw invalidField("templates", "templates are required");
  const seen = new Set<string>();
  for (const [at, { locale }] of templates.templates.entries()) {
    const tag = locale.toLowerCase().replaceAll("_", "-");
    if (seen.has(tag)) throw invalidField(`templates.templates[${at}].locale`, "this locale is named twice");
    seen.add(tag);
  }
  const bytes = toBinary(PushTemplatesSchema, templates, { writeUnknownFields: false });
  await ctx.committer.run(caller.appId, (tx) => putPushTemplates(tx, bytes));
}

/** Gets the words of the app's pushes, as they were set; see AdminService.GetPushTemplates. */
export async function getPushTemplates(ctx: Ctx, caller: ServiceCaller): Promise<PushTemplates> {
  const stored = await findPushTemplates(ctx.read, caller.appId);
  return stored === undefined ? create(PushTemplatesSchema) : fromBinary(PushTemplatesSchema, stored);
}
