import type { ImportUsersRequest } from "@parley/proto/parley/v1/admin_service_pb.js";
import { ChangeKind } from "@parley/proto/parley/v1/stream_event_pb.js";
import type { ImportedCredential, ImportedUser } from "@parley/proto/parley/v1/user_import_pb.js";
import { UserKind } from "@parley/proto/parley/v1/user_pb.js";
import type { Tx } from "../../store/committer.js";
import { findCredential, insertCredential } from "../../store/credentials.js";
import { areFriends, insertFriends } from "../../store/friends.js";
import { findUser, findUserKinds } from "../../store/users.js";
import type { ServiceCaller } from "../caller.js";
import type { Ctx } from "../context.js";
import { DomainError, ErrorReason, invalidField, notFound } from "../errors.js";
import { checkRoom } from "../friends/add-friend.js";
import { announceFriends } from "../friends/friend-event.js";
import { guestRefused } from "../ordinary.js";
import { profileOf, upsertUser } from "./batch-upsert-users.js";

/** What became of one user. */
export interface ImportedOutcome {
  userId: string;
  created: boolean;
  friendsAdded: number;
  error: unknown;
}

/** Brings in users, each with its own outcome; see AdminService.ImportUsers. */
export async function importUsers(
  ctx: Ctx,
  { appId }: ServiceCaller,
  { users }: ImportUsersRequest,
): Promise<ImportedOutcome[]> {
  const seen = new Set<string>();
  for (const [at, { userId }] of users.entries()) {
    if (seen.has(userId)) throw invalidField(`users[${at}].user_id`, "this user is named twice");
    seen.add(userId);
  }
  const outcomes: ImportedOutcome[] = [];
  const awaited: { outcome: ImportedOutcome; friends: Friend[] }[] = [];
  for (const [at, user] of users.entries()) {
    const outcome: ImportedOutcome = { userId: user.userId, created: false, friendsAdded: 0, error: undefined };
    outcomes.push(outcome);
    await bringIn(ctx, appId, user, `users[${at}]`).then(
      ({ created, friendsAdded, missing }) => {
        Object.assign(outcome, { created, friendsAdded });
        if (missing.length > 0) awaited.push({ outcome, friends: missing });
      },
      (error: unknown) => {
        outcome.error = error;
      },
    );
  }
  // Those friends who stood further down in the request.
  for (const { outcome, friends } of awaited)
    await ctx.committer
      .run(appId, (tx) => befriend(ctx, tx, outcome.userId, friends))
      .then(
        ({ added, missing }) => {
          outcome.friendsAdded += added;
          if (missing[0] !== undefined) outcome.error = notFound("user", missing[0].field);
        },
        (error: unknown) => {
          outcome.error = error;
        },
      );
  return outcomes;
}

interface Friend {
  userId: string;
  /** The field that names it. */
  field: string;
}

/** Makes or updates one user, all of it or nothing; friends who are not there yet are given back. */
async function bringIn(ctx: Ctx, appId: string, user: ImportedUser, field: string) {
  const profile = profileOf(ctx, user, field);
  const secrets: (string | undefined)[] = [];
  // The hash is made before the transaction, and not again for what is there.
  for (const [at, credential] of user.credentials.entries()) {
    const known = await findCredential(ctx.read, appId, ...nameOf(credential));
    secrets.push(known === undefined ? await secretOf(ctx, credential, `${field}.credentials[${at}]`) : undefined);
  }
  const friends = user.friendUserIds.map((userId, at) => ({ userId, field: `${field}.friend_user_ids[${at}]` }));
  return await ctx.committer.run(appId, async (tx) => {
    const created = (await findUser(tx.db, appId, user.userId)) === undefined;
    await upsertUser(tx, user.userId, profile, field);
    for (const [at, credential] of user.credentials.entries())
      await takeCredential(tx, user.userId, nameOf(credential), secrets[at], `${field}.credentials[${at}]`);
    const { added, missing } = await befriend(ctx, tx, user.userId, friends);
    return { created, friendsAdded: added, missing };
  });
}

function nameOf({ credential }: ImportedCredential): [kind: string, name: string] {
  return credential.case === "password" ? ["password", credential.value.username] : ["sms", credential.value ?? ""];
}

async function secretOf(ctx: Ctx, { credential }: ImportedCredential, field: string): Promise<string> {
  if (credential.case !== "password") return "";
  const { secret } = credential.value;
  if (secret.case === "password") return await ctx.passwords.hash(secret.value);
  const [, memory, passes, lanes] = /m=(\d+),t=(\d+),p=(\d+)/.exec(secret.value ?? "")?.map(Number) ?? [];
  // Whoever tries to log in makes the server do this work.
  if (!isWithin(memory, MOST.memoryKib) || !isWithin(passes, MOST.passes) || !isWithin(lanes, MOST.lanes))
    throw invalidField(`${field}.password.argon2id_hash`, "this hash asks for more work than is done for a login");
  return secret.value ?? "";
}

const MOST = { memoryKib: 64 * 1024, passes: 10, lanes: 8 };
const isWithin = (value: number | undefined, most: number) => value !== undefined && value >= 1 && value <= most;

async function takeCredential(
  tx: Tx,
  userId: string,
  [kind, name]: [string, string],
  secret: string | undefined,
  field: string,
): Promise<void> {
  const known = await findCredential(tx.db, tx.appId, kind, name);
  if (known?.user_id === userId) return;
  if (known !== undefined || secret === undefined)
    throw new DomainError(ErrorReason.ALREADY_EXISTS, "another user has this credential", { field });
  await insertCredential(tx, { kind, name, user_id: userId, secret });
}

async function befriend(ctx: Ctx, tx: Tx, userId: string, friends: readonly Friend[]) {
  const kinds = await findUserKinds(
    tx.db,
    tx.appId,
    friends.map((friend) => friend.userId),
  );
  const missing = friends.filter((friend) => !kinds.has(friend.userId));
  let added = 0;
  for (const { userId: friendId, field } of friends) {
    if (friendId === userId) throw invalidField(field, "nobody is a friend of oneself");
    if (kinds.get(friendId) === UserKind.GUEST) throw guestRefused(field);
    if (!kinds.has(friendId) || (await areFriends(tx.db, tx.appId, userId, friendId))) continue;
    for (const one of [userId, friendId]) await checkRoom(tx, one, ctx.limits.friendsPerUser, field);
    await insertFriends(tx, userId, friendId);
    announceFriends(tx, userId, friendId, ChangeKind.ADDED);
    added += 1;
  }
  return { added, missing };
}
