import { fromBinary } from "@bufbuild/protobuf";
import { type PushTemplates, PushTemplatesSchema } from "@parley/proto/parley/v1/push_templates_pb.js";
import { findPushTemplates } from "../store/push-jobs.js";
import { readPushNames } from "../store/push-log.js";
import type { Db } from "../store/schema.js";
import { type PushMessage, readPushMessages } from "./message.js";

/** What all pushes of one message have in common. */
export interface Common {
  said: PushMessage;
  names: { sender: string; group: string };
  templates: PushTemplates | undefined;
}

/** Reads it for the messages at these positions; what is gone, or not to be pushed, is left out. */
export async function readCommon(db: Db, appId: string, positions: Iterable<number>): Promise<Map<number, Common>> {
  const messages = await readPushMessages(db, appId, [...new Set(positions)]);
  const stored = await findPushTemplates(db, appId);
  const templates = stored === undefined ? undefined : fromBinary(PushTemplatesSchema, stored);
  const common = new Map<number, Common>();
  for (const [pos, said] of messages) {
    const place = said.message.receiver?.peer.case === "groupId" ? said.message.conversationId : undefined;
    common.set(pos, { said, names: await readPushNames(db, appId, said.senderId, place), templates });
  }
  return common;
}
