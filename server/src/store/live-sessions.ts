import { bulkInsert } from "./bulk.js";
import type { Tx } from "./committer.js";
import { compiledQuery } from "./compiled.js";
import type { Db, Row } from "./schema.js";
import { listShown } from "./users.js";

/** A session with a stream on a node, or that lost it less than the grace ago, as its node knows it. */
export type LiveSession = Omit<Row<"live_session">, "app_id" | "node" | "begin_ms">;

/** What a node says of a session of its own. */
export interface SaidSession {
  session: LiveSession;
  /** Its stream has come just now, and takes the place of whatever is stored. */
  arrives: boolean;
  /** Streams of the same node whose place it takes in any case. */
  insteadOf: readonly string[];
}

/** A stream that is to end, wherever it is. */
export type StreamEnd = Row<"stream_end">;

/** That a user has come or gone. */
export interface PresenceEdge {
  appId: string;
  userId: string;
  online: boolean;
  atMs: number;
}

/** Why a stream ends that another took the place of, or that its user has too many of: values of GoodbyeReason. */
export interface EndReasons {
  replaced: number;
  tooMany: number;
}

/** What a change of live sessions brings with it. */
export interface Consequences {
  ends: StreamEnd[];
  edges: PresenceEdge[];
}

const upsert = bulkInsert(
  "live_session",
  ["app_id", "session_id", "user_id", "node", "stream", "open", "visible", "client", "begin_ms"],
  { keys: ["app_id", "session_id"], replaced: ["user_id", "node", "stream", "open", "visible", "client", "begin_ms"] },
);

/**
 * Writes what a node says of its sessions. Who arrives takes the place of an older stream of its session, and the oldest stream of a user who has
 * too many makes room; what is said of a stream that is no longer the session's is void, and the stream ends.
 */
export async function putLiveSessions(
  tx: Tx,
  node: string,
  said: readonly SaidSession[],
  { most, reasons }: { most: number; reasons: EndReasons },
): Promise<Consequences> {
  const userIds = [...new Set(said.map(({ session }) => session.user_id))];
  const rows = new Map((await listOfUsers(tx.db, tx.appId, userIds)).map((row) => [row.session_id, row]));
  const ends: StreamEnd[] = [];
  const changed = new Set<string>();
  for (const { session, arrives, insteadOf } of said) {
    const before = rows.get(session.session_id);
    if (!arrives && (before === undefined || ![session.stream, ...insteadOf].includes(before.stream))) {
      // The session was ended, or is elsewhere by now.
      if (session.open === 1) ends.push(endOf(tx, { ...session, node }, reasons.replaced));
      continue;
    }
    // The node itself has ended the older of two that are its own.
    if (arrives && before?.open === 1 && before.node !== node) ends.push(endOf(tx, before, reasons.replaced));
    const begin_ms = before?.stream === session.stream ? before.begin_ms : tx.nowMs;
    rows.set(session.session_id, { ...session, node, app_id: tx.appId, begin_ms });
    changed.add(session.session_id);
  }
  for (const userId of userIds) {
    const open = [...rows.values()].filter((row) => row.user_id === userId && row.open === 1);
    open.sort((a, b) => a.begin_ms - b.begin_ms);
    for (const oldest of open.slice(0, Math.max(0, open.length - most))) {
      ends.push(endOf(tx, oldest, reasons.tooMany));
      rows.set(oldest.session_id, { ...oldest, open: 0 });
      changed.add(oldest.session_id);
    }
  }
  await upsert(
    tx.db,
    [...rows.values()].filter((row) => changed.has(row.session_id)),
  );
  await insertEnds(
    tx,
    ends.filter((end) => end.node !== node),
  );
  return { ends, edges: await settlePresence(tx, userIds) };
}

/** Removes the rows of streams whose session is gone for good. */
export async function removeLiveSessions(
  tx: Tx,
  gone: readonly Pick<LiveSession, "user_id" | "stream">[],
): Promise<PresenceEdge[]> {
  if (gone.length === 0) return [];
  const streams = gone.map(({ stream }) => stream);
  const userIds = [...new Set(gone.map(({ user_id }) => user_id))];
  await tx.db
    .deleteFrom("live_session")
    .where("app_id", "=", tx.appId)
    .where("user_id", "in", userIds)
    .where("stream", "in", streams)
    .execute();
  return await settlePresence(tx, userIds);
}

/** Ends the streams of a session, or of all sessions of a user, on the nodes that are not this one, and forgets on all that they were here. */
export async function endLiveSessions(
  tx: Tx,
  node: string | undefined,
  userId: string,
  sessionId: string | undefined,
  reason: number,
): Promise<Consequences> {
  let removal = tx.db.deleteFrom("live_session").where("app_id", "=", tx.appId).where("user_id", "=", userId);
  if (sessionId !== undefined) removal = removal.where("session_id", "=", sessionId);
  const rows = await removal.returningAll().execute();
  const elsewhere = rows.filter((row) => row.open === 1 && row.node !== node);
  const ends = elsewhere.map((row) => endOf(tx, row, reason));
  await insertEnds(tx, ends);
  return { ends, edges: await settlePresence(tx, [userId]) };
}

/** Removes some sessions of a node that is no more, and says how many. */
export async function removeSessionsOfNode(tx: Tx, node: string, most: number) {
  const rows = await tx.db
    .selectFrom("live_session")
    .select(["user_id", "stream"])
    .where("app_id", "=", tx.appId)
    .where("node", "=", node)
    .limit(most)
    .execute();
  return { removed: rows.length, edges: await removeLiveSessions(tx, rows) };
}

/** Draws for each of these users the conclusion from its sessions, and gives the changes. */
export async function settlePresence(tx: Tx, userIds: readonly string[]): Promise<PresenceEdge[]> {
  const here = await listOfUsers(tx.db, tx.appId, userIds);
  const visible = new Set(here.filter((row) => row.visible === 1).map(({ user_id }) => user_id));
  const users = await listShown(tx.db, tx.appId, userIds);
  const edges: PresenceEdge[] = [];
  for (const { user_id: userId, online: before, invisible } of users) {
    const online = visible.has(userId) && invisible === 0;
    if (online !== (before === 1)) edges.push({ appId: tx.appId, userId, online, atMs: tx.nowMs });
  }
  for (const online of [true, false]) {
    const ids = edges.filter((edge) => edge.online === online).map(({ userId }) => userId);
    if (ids.length > 0)
      await tx.db
        .updateTable("user")
        .set({ online: online ? 1 : 0, last_active_ms: tx.nowMs })
        .where("app_id", "=", tx.appId)
        .where("user_id", "in", ids)
        .execute();
  }
  return edges;
}

/** Users of an app who are online and have no session that says so. */
export async function listLeftOnline(db: Db, appId: string, limit: number): Promise<string[]> {
  const rows = await db
    .selectFrom("user")
    .select("user_id")
    .where("app_id", "=", appId)
    .where("online", "=", 1)
    .where((e) =>
      e.not(
        e.exists(
          e
            .selectFrom("live_session")
            .select("session_id")
            .whereRef("live_session.app_id", "=", "user.app_id")
            .whereRef("live_session.user_id", "=", "user.user_id")
            .where("visible", "=", 1),
        ),
      ),
    )
    .limit(limit)
    .execute();
  return rows.map(({ user_id }) => user_id);
}

const ofUsers = compiledQuery((db, userIds) =>
  db
    .selectFrom("live_session")
    .selectAll()
    .where("app_id", "=", "")
    .where("user_id", "in", userIds as string[]),
);

/** The live sessions of these users. */
export async function listOfUsers(db: Db, appId: string, userIds: readonly string[]): Promise<Row<"live_session">[]> {
  return await ofUsers(db, [appId, userIds]);
}

/** The number of sessions of an app with an open stream. */
export async function countLiveSessions(db: Db, appId: string): Promise<number> {
  const row = await db
    .selectFrom("live_session")
    .select((e) => e.fn.countAll<number>().as("count"))
    .where("app_id", "=", appId)
    .where("open", "=", 1)
    .executeTakeFirstOrThrow();
  return Number(row.count);
}

/** The apps with sessions of a node. */
export async function listAppsOfNode(db: Db, node: string): Promise<string[]> {
  const rows = await db.selectFrom("live_session").select("app_id").distinct().where("node", "=", node).execute();
  return rows.map(({ app_id }) => app_id);
}

/** The nodes with sessions and without a lease: of a store that was put back from a backup. */
export async function listLostNodes(db: Db): Promise<string[]> {
  const rows = await db
    .selectFrom("live_session")
    .select("node")
    .distinct()
    .where("node", "not in", db.selectFrom("lease").select("holder"))
    .execute();
  return rows.map(({ node }) => node);
}

/** Takes the streams that a node is to end; one statement, written outside of the committer like a lease. */
export async function takeStreamEnds(db: Db, node: string): Promise<StreamEnd[]> {
  return await db.deleteFrom("stream_end").where("node", "=", node).returningAll().execute();
}

function endOf(tx: Tx, { node, stream, session_id }: LiveSession & { node: string }, reason: number): StreamEnd {
  return { app_id: tx.appId, session_id, node, stream, reason };
}

async function insertEnds(tx: Tx, ends: readonly StreamEnd[]): Promise<void> {
  if (ends.length > 0)
    await tx.db
      .insertInto("stream_end")
      .values(ends)
      .onConflict((conflict) => conflict.columns(["node", "stream"]).doNothing())
      .execute();
}
