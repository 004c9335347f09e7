import type { Tx } from "../store/committer.js";
import { areFriends } from "../store/friends.js";
import { findMembersOf, findPlace } from "../store/members.js";
import { findMessage } from "../store/messages.js";
import { findUserKinds } from "../store/users.js";
import { DomainError, ErrorReason, notFound } from "./errors.js";
import type { Send, SendRules } from "./send.js";
import { viewOf } from "./visibility.js";

interface Checked {
  send: Send;
  rules: SendRules;
}

/** Says which sends are refused and why. It runs inside the writing transaction, so nothing can change between the check and the write. */
export async function authorizeSends(tx: Tx, sends: readonly Checked[]): Promise<Map<Send, DomainError>> {
  const refusals = new Map<Send, DomainError>();
  const toUsers = sends.filter(({ send }) => send.target.kind === "user");
  const toGroups = sends.filter(({ send }) => send.target.kind === "group");
  if (toUsers.length > 0) await authorizeDirect(tx, toUsers, refusals);
  if (toGroups.length > 0) await authorizeGroup(tx, toGroups, refusals);
  for (const { send } of sends) if (send.refusal !== undefined && !refusals.has(send)) refusals.set(send, send.refusal);
  for (const { send } of sends)
    if (send.request.replyToMessageId !== "" && !refusals.has(send)) await checkReply(tx, send, refusals);
  return refusals;
}

async function authorizeDirect(tx: Tx, sends: readonly Checked[], refusals: Map<Send, DomainError>): Promise<void> {
  const named = sends.flatMap(({ send }) =>
    send.senderId === "" ? [send.target.id] : [send.target.id, send.senderId],
  );
  const kinds = await findUserKinds(tx.db, tx.appId, [...new Set(named)]);
  for (const { send, rules } of sends) {
    // A sender may have been deleted while its send was on its way.
    if (send.senderId !== "" && !kinds.has(send.senderId)) refusals.set(send, notFound("user", ""));
    else if (!kinds.has(send.target.id)) refusals.set(send, notFound("user", "receiver.user_id"));
    else if (
      !rules.allowStrangerMessages &&
      send.senderId !== "" &&
      send.senderId !== send.target.id &&
      !(await areFriends(tx.db, tx.appId, send.senderId, send.target.id))
    )
      refusals.set(
        send,
        new DomainError(ErrorReason.NOT_FRIEND, "this app takes messages between friends only", {
          field: "receiver.user_id",
        }),
      );
  }
}

async function authorizeGroup(tx: Tx, sends: readonly Checked[], refusals: Map<Send, DomainError>): Promise<void> {
  const places = [...new Set(sends.map(({ send }) => send.target.conversationId))];
  const senders = [...new Set(sends.map(({ send }) => send.senderId))];
  const members = new Map(
    (await findMembersOf(tx.db, tx.appId, places, senders)).map((row) => [`${row.place}|${row.user_id}`, row]),
  );
  const known = new Map<string, boolean>();
  for (const { send } of sends) {
    const place = send.target.conversationId;
    const member = members.get(`${place}|${send.senderId}`);
    if (member !== undefined) {
      if (member.mute_until_ms > tx.nowMs)
        refusals.set(send, new DomainError(ErrorReason.MUTED, "you are muted in this group"));
      continue;
    }
    if (!known.has(place)) known.set(place, (await findPlace(tx.db, tx.appId, place)) !== undefined);
    if (known.get(place) !== true) refusals.set(send, notFound("group", "receiver.group_id"));
    else if (send.senderId !== "")
      refusals.set(send, new DomainError(ErrorReason.NOT_MEMBER, "you are not a member of this group"));
  }
}

async function checkReply(tx: Tx, send: Send, refusals: Map<Send, DomainError>): Promise<void> {
  const { conversationId } = send.target;
  const replied = await findMessage(tx.db, tx.appId, send.request.replyToMessageId);
  const visible =
    replied?.conversation_id === conversationId &&
    (send.senderId === "" || replied.pos > (await viewOf(tx.db, tx.appId, send.senderId, conversationId)).afterPos);
  if (!visible) refusals.set(send, notFound("message", "reply_to_message_id"));
}
