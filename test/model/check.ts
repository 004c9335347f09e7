import { type Conversation, type Friend, system } from "@parley/client";
import { decodeCursor } from "../../server/src/store/cursor.js";
import { barrier, learn, peerOf } from "./motions.js";
import * as places from "./places.js";
import type { Reference } from "./reference.js";
import { outcomeOf, type Scene, told } from "./scene.js";
import { probe, sync } from "./sync.js";
import { memberLine, messageLine, peerWord, saidGroup, saidMember, saidMessage, saidRoom } from "./words.js";

/** Longer than any grace of presence; and than the hush after something was told, which begins late when the clock leaps over both. */
const GRACE_MS = 16_000;
const HUSH_MS = 5_000;
const PAGE = { pageSize: 100 };

/** Lets time pass in the model and in truth. */
export async function leap(scene: Scene, ms: number): Promise<void> {
  const retained = await scene.host.leap(ms);
  const nowMs = scene.host.clock.now();
  scene.all((world) => {
    world.nowMs = nowMs;
    if (retained) world.retain();
  });
}

/** Compares everything that these users can ask for with what the model says. */
export async function checkUsers(scene: Scene, users: readonly string[]): Promise<void> {
  await probe(scene);
  await sync(scene);
  await leap(scene, GRACE_MS);
  await leap(scene, HUSH_MS);
  if (scene.host.nodes.length > 1) await letNodesAgree(scene);
  await checkPresence(scene);
  for (const user of users) await checkUser(scene, user);
}

/** What a node concludes is written, told, and looked at once more after the hush, which begins when it was told. */
async function letNodesAgree(scene: Scene): Promise<void> {
  for (let i = 0; i < 2; i++) {
    await barrier(scene);
    await leap(scene, HUSH_MS);
  }
}

const isOnline = (scene: Scene, user: string): boolean => scene.devices.some((d) => d.user === user && d.live);

async function checkPresence(scene: Scene): Promise<void> {
  for (const device of scene.devices.filter(({ live }) => live)) {
    const must = scene.world
      .friendsOf(device.user)
      .filter((friend) => isOnline(scene, friend))
      .join();
    await device
      .until("presence", () => [...device.online].sort().join() === must)
      .catch(() => {
        throw new Error(`device of ${device.user} believes ${[...device.online].join()} online, not ${must}`);
      });
  }
}

async function checkUser(scene: Scene, user: string): Promise<void> {
  const as = scene.as(user);
  const { world } = scene;
  const same = async <T>(
    what: string,
    call: Promise<T>,
    line: (answer: T) => string,
    op: () => string,
  ): Promise<void> => {
    const [is, must] = [await told(call, line), outcomeOf(op)];
    if (is !== must) throw new Error(`${what} of ${user}\n  is    ${is}\n  model ${must}`);
  };
  await same(
    "conversations",
    as.conversations.list(PAGE),
    (page) =>
      [
        `head ${decodeCursor(scene.appId, page.cursor)?.pos}, ${page.unreadTotal} unread`,
        ...page.conversations.map(saidConversation),
      ].join("\n  "),
    () => {
      const mine = world.conversationsOf(user);
      const unread = mine.reduce((sum, id) => sum + world.unread(user, id), 0);
      return [`head ${world.head}, ${unread} unread`, ...mine.map((id) => conversationLine(world, user, id))].join(
        "\n  ",
      );
    },
  );
  for (const id of world.conversationsOf(user)) {
    const peer = peerOfConversation(user, id);
    const call = as.history.list(peer, PAGE);
    await same(
      `history ${id}`,
      call,
      ({ messages, oldestAvailableSeq, headSeq }) =>
        [`${oldestAvailableSeq} ${headSeq}`, ...messages.map(saidMessage)].join("\n  "),
      () => {
        const messages = world.history(user, id);
        const head = world.conversations[id]?.head ?? 0;
        return [`${messages[0]?.seq ?? 0} ${head}`, ...messages.map(messageLine)].join("\n  ");
      },
    );
    for (const message of (await call).messages) {
      const sender = message.sender?.sender.case === "userId" ? message.sender.sender.value : "";
      learn(scene, { sender, key: message.clientMessageId }, message.messageId);
    }
  }
  await same(
    "friends",
    as.friends.list({ ...PAGE, detail: true }),
    ({ friends }) => friends.map(saidFriend).join("\n  "),
    () =>
      world
        .friendsOf(user)
        .map((friend) => {
          const last = world.history(user, `d:${[user, friend].sort().join(":")}`).at(-1);
          const said = last === undefined ? "no message" : messageLine(last);
          return [friend, isOnline(scene, friend), world.user(friend).name, said].join("|");
        })
        .join("\n  "),
  );
  for (const kind of ["group", "room"] as const) {
    const mine = Object.values(world.places)
      .filter((place) => place.kind === kind && world.member(`${kind.slice(0, 1)}:${place.id}`, user) !== undefined)
      .sort((a, b) => (a.id < b.id ? -1 : 1));
    const lines = () => mine.map((place) => places.whole(world, place)).join("\n  ");
    if (kind === "group") {
      await same(
        "groups",
        as.groups.list({ ...PAGE, detail: true }),
        ({ groups }) => groups.map(saidGroup).join("\n  "),
        lines,
      );
      for (const { id } of mine)
        await same(
          `members of ${id}`,
          as.groups.listMembers(id, PAGE),
          ({ members }) => members.map(saidMember).join("\n  "),
          () =>
            places
              .listMembers(world, "group", id, user)
              .map((member) => memberLineAt(world, member))
              .join("\n  "),
        );
    } else
      await same(
        "rooms",
        as.rooms.list({ ...PAGE, detail: true }),
        ({ rooms }) => rooms.map(saidRoom).join("\n  "),
        lines,
      );
  }
}

export const memberLineAt = (world: Reference, member: Parameters<typeof memberLine>[0]): string =>
  memberLine({ ...member, mutedUntilMs: member.mutedUntilMs > world.nowMs ? member.mutedUntilMs : 0 });

function saidConversation(conversation: Conversation): string {
  const { conversationId, peer, headSeq, readSeq, unreadCount, lastMessage } = conversation;
  return [conversationId, peerWord(peer), headSeq, readSeq, unreadCount, saidMessage(lastMessage)].join("|");
}

function conversationLine(world: Reference, user: string, id: string): string {
  const conversation = world.conversations[id];
  const last = world.history(user, id).at(-1);
  return [
    id,
    receiverOfConversation(user, id),
    conversation?.head ?? 0,
    conversation?.read[user] ?? 0,
    world.unread(user, id),
    last === undefined ? "no message" : messageLine(last),
  ].join("|");
}

const saidFriend = (friend: Friend): string =>
  [friend.userId, friend.online, friend.user?.displayName, saidMessage(friend.lastMessage)].join("|");

/** The other side of a conversation, as its reader names it. */
function receiverOfConversation(user: string, id: string): string {
  const [kind, a = "", b = ""] = id.split(":");
  if (kind === "g") return `group:${a}`;
  return kind === "y" ? "system" : `user:${a === user ? b : a}`;
}

export function peerOfConversation(user: string, id: string) {
  const receiver = receiverOfConversation(user, id);
  return receiver === "system" ? system() : peerOf(receiver);
}
