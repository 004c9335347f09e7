import { type GroupMemberChange, JoinPolicy, SessionRevokedReason } from "@parley/client";
import { checkUsers, leap, memberLineAt, peerOfConversation } from "./check.js";
import type { Device, Waiting } from "./device.js";
import { crash, cut, endStream, goOnline, hand, learn, logIn, peerOf, settle, takeStock } from "./motions.js";
import * as places from "./places.js";
import type { Place, Send } from "./reference.js";
import { type Scene, told } from "./scene.js";
import { observe } from "./sync.js";
import { GroupRole, messageLine, saidGroup, saidMember, saidMessage, saidRoom } from "./words.js";

/** One kind of command: how often it comes, when it can be done, and what it does in the model and in truth. */
export interface Kind {
  weight: number;
  can?(scene: Scene, args: Args): boolean;
  run(scene: Scene, args: Args): Promise<void>;
}

/** Numbers that a command makes its choices by. */
export type Args = readonly [number, number, number, number];

const STRANGER = "nobody-knows";

const pick = <T>(from: readonly T[], at: number): T => {
  const found = from[at % from.length];
  if (found === undefined) throw new Error("nothing to pick from");
  return found;
};
const userOf = (scene: Scene, at: number): string => pick(scene.users, at);
/** A user, and now and then one that does not exist. */
const anyone = (scene: Scene, at: number): string => (at % 23 === 22 ? STRANGER : userOf(scene, at));
const some = (scene: Scene, at: number): string[] => scene.users.filter((_, i) => ((at >> i) & 1) === 1);
const atLeastOne = (scene: Scene, at: number): string[] => {
  const chosen = some(scene, at);
  return chosen.length === 0 ? [anyone(scene, at)] : chosen;
};

/** The groups or rooms that there are or were, and one that never was. */
const placesOf = (scene: Scene, kind: Place["kind"]): string[] =>
  Object.values(scene.world.places)
    .filter((place) => place.kind === kind)
    .map((place) => place.id);
const placeAt = (scene: Scene, kind: Place["kind"], at: number): string =>
  at % 31 === 30 ? "019a0000-0000-7000-8000-000000000000" : pick(placesOf(scene, kind), at);
const hasPlace = (kind: Place["kind"]) => (scene: Scene) => placesOf(scene, kind).length > 0;

const receiverAt = (scene: Scene, a: number, b: number): string =>
  a % 2 === 1 && hasPlace("group")(scene) ? `group:${placeAt(scene, "group", b)}` : `user:${anyone(scene, b)}`;

const newSend = (scene: Scene, sender: string, receiver: string): Send => {
  scene.keys += 1;
  return { sender, receiver, key: `k${scene.keys}`, words: `words ${scene.keys}`, replyTo: "" };
};
const loggedIn = (scene: Scene): Device[] => scene.devices.filter((device) => device.loggedIn);
const live = (scene: Scene): Device[] => scene.devices.filter((device) => device.live);
const good = (scene: Scene, device: Device): boolean => scene.world.sessions[device.session] === device.user;

/** Sends by a device: what it tells is compared at once when it is online, and when it comes back otherwise. */
async function sendBy(scene: Scene, device: Device, send: Send): Promise<void> {
  if (device.waiting.some((other) => other.send.key === send.key)) return;
  const waiting: Waiting = { send, handle: hand(device, send) };
  if (device.live) await settle(scene, device, waiting);
  else device.waiting.push(waiting);
}

async function speakBy(scene: Scene, device: Device, send: Send): Promise<void> {
  const outcome = await told(hand(device, send, true).stored, saidMessage);
  if (device.live) scene.judge(`speak ${send.key}`, outcome, (world) => world.speak(send));
  else if (outcome !== "no OFFLINE") throw new Error(`said while offline: ${outcome}`);
}

const keysOf = (scene: Scene, device: Device) =>
  scene.world.messages
    .filter(({ sender }) => sender === device.user)
    .map(({ key, receiver, words, replyTo }) => ({ sender: device.user, key, receiver, words, replyTo }));

function onDevice(
  weight: number,
  of: (scene: Scene) => Device[],
  run: (scene: Scene, device: Device, args: Args) => Promise<void>,
): Kind {
  return {
    weight,
    can: (scene) => of(scene).length > 0,
    run: (scene, args) => run(scene, pick(of(scene), args[0]), args),
  };
}

/** A verb of a place by a user, with its answer compared. */
function verb(
  weight: number,
  kind: Place["kind"],
  run: (scene: Scene, user: string, id: string, args: Args) => Promise<void>,
): Kind {
  return {
    weight,
    can: hasPlace(kind),
    run: (scene, args) => run(scene, userOf(scene, args[0]), placeAt(scene, kind, args[1]), args),
  };
}

async function createPlace(scene: Scene, kind: Place["kind"], [a, b, c, d]: Args): Promise<void> {
  const user = userOf(scene, a);
  const members = b % 19 === 18 ? [STRANGER] : some(scene, b);
  const requestId = c % 3 === 0 ? `request-${c % 2}` : "";
  const policy =
    kind === "group"
      ? pick([JoinPolicy.OPEN, JoinPolicy.OPEN, JoinPolicy.INVITE, JoinPolicy.APPROVAL], c)
      : JoinPolicy.OPEN;
  const history = kind === "group" && d % 2 === 1;
  const made = { name: `${kind} ${d % 3}`, memberUserIds: members, ...(requestId !== "" && { requestId }) };
  const as = scene.as(user);
  let id = "refused";
  const outcome =
    kind === "group"
      ? await told(as.groups.create({ ...made, joinPolicy: policy, historyForNewMembers: history }), (group) => {
          id = group.groupId;
          return saidGroup(group);
        })
      : await told(as.rooms.create(made), (room) => {
          id = room.roomId;
          return saidRoom(room);
        });
  scene.judge(`create ${kind}`, outcome, (world) =>
    places.create(world, user, { kind, id, name: made.name, members, policy, history, requestId }),
  );
}

const shareOf = (scene: Scene, args: Args): string[] => atLeastOne(scene, args[2]);
const HOUR_MS = 3_600_000;

export const KINDS: Record<string, Kind> = {
  send: onDevice(14, loggedIn, async (scene, device, [, b, c]) => {
    await sendBy(scene, device, newSend(scene, device.user, receiverAt(scene, b, c)));
  }),
  reply: onDevice(3, live, async (scene, device, [, b, c]) => {
    const known = scene.world.messages.filter((message) => message.id !== "" && message.sender !== "");
    const replied = known.length === 0 ? undefined : pick(known, b);
    const receiver = replied === undefined || c % 5 === 0 ? receiverAt(scene, b, c) : replied.receiver;
    await sendBy(scene, device, { ...newSend(scene, device.user, receiver), replyTo: replied?.id ?? "unknown" });
  }),
  resend: {
    ...onDevice(3, loggedIn, async (scene, device, [, b]) => {
      const sent = keysOf(scene, device);
      await sendBy(scene, device, pick(sent, b));
    }),
    can: (scene, [a]) => loggedIn(scene).length > 0 && keysOf(scene, pick(loggedIn(scene), a)).length > 0,
  },
  resendOther: {
    ...onDevice(2, live, async (scene, device, [, b, c]) => {
      const sent = pick(keysOf(scene, device), b);
      await sendBy(
        scene,
        device,
        c % 2 === 0 ? { ...sent, words: "other words" } : { ...sent, receiver: receiverAt(scene, b, c) },
      );
    }),
    can: (scene, [a]) => live(scene).length > 0 && keysOf(scene, pick(live(scene), a)).length > 0,
  },
  speak: onDevice(4, loggedIn, async (scene, device, [, b, c, d]) => {
    const receiver = receiverAt(scene, b, c);
    const send = newSend(scene, device.user, receiver);
    // Few keys, so that some are used again within the two minutes.
    await speakBy(scene, device, d % 2 === 0 ? send : { ...send, key: `spoken-${d % 3}`, words: `spoken ${c % 2}` });
  }),
  roomTalk: {
    ...onDevice(4, loggedIn, async (scene, device, [, b]) => {
      await speakBy(scene, device, newSend(scene, device.user, `room:${placeAt(scene, "room", b)}`));
    }),
    can: (scene) => loggedIn(scene).length > 0 && hasPlace("room")(scene),
  },
  type: {
    weight: 3,
    async run(scene, [a, b, c, d]) {
      const [user, receiver, typing] = [userOf(scene, a), receiverAt(scene, b, c), d % 2 === 0];
      const call = scene.as(user).messages.setTyping(peerOf(receiver), typing);
      scene.judge("type", await told(call, () => ""), (world) => world.type(user, receiver, typing));
    },
  },
  system: {
    weight: 3,
    async run(scene, [a, b, c]) {
      const words = `notice ${c}`;
      scene.keys += 1;
      const key = c % 4 === 0 ? "notice" : `k${scene.keys}`;
      const receiver = pick(
        [
          "everyone",
          `user:${anyone(scene, b)}`,
          ...["group", "room"].flatMap((kind) => placesOf(scene, kind as Place["kind"]).map((id) => `${kind}:${id}`)),
        ],
        a,
      );
      const notice = c % 2 === 0;
      const content = notice
        ? { case: "notice" as const, value: { text: words } }
        : { case: "text" as const, value: { text: words } };
      const to = receiver === "everyone" ? { peer: { case: "everyone" as const, value: {} } } : peerOf(receiver);
      const call = scene.service.rpc.admin.sendSystemMessage({
        receiver: to,
        content: { content },
        clientMessageId: key,
      });
      const send: Send = { sender: "", receiver, key, words, replyTo: "" };
      scene.judge(`system message to ${receiver}`, await told(call, ({ message }) => saidMessage(message)), (world) => {
        if (receiver === "everyone") return world.sendToEveryone(key, words);
        return receiver.startsWith("room:") ? world.speak(send) : world.send(send, !notice);
      });
      const message = (await call.catch(() => undefined))?.message;
      if (message !== undefined && message.seq > 0) learn(scene, send, message.messageId);
    },
  },
  markRead: {
    weight: 4,
    async run(scene, [a, b, c]) {
      const user = userOf(scene, a);
      const mine = [
        ...scene.world.conversationsOf(user),
        `y:${user}`,
        `d:${[user, userOf(scene, c)].sort().join(":")}`,
      ];
      const id = pick(mine, b);
      const seq = c % 3 === 0 ? 0 : c % 7;
      const call = scene.as(user).conversations.markRead(peerOfConversation(user, id), seq);
      scene.judge(
        `markRead ${id}`,
        await told(call, ({ readSeq, unreadCount }) => `${readSeq} ${unreadCount}`),
        (world) => world.markRead(user, id, seq),
      );
    },
  },
  listMessages: {
    weight: 3,
    async run(scene, [a, b, c, d]) {
      const user = userOf(scene, a);
      const id = pick(
        [
          ...Object.keys(scene.world.conversations).filter((name) => name.startsWith("g:") || name.includes(user)),
          `y:${user}`,
        ],
        b,
      );
      const [pageSize, seq] = [1 + (c % 4), d % 6];
      const place = pick(
        [{}, { afterSeq: seq }, { beforeSeq: seq + 1 }, { aroundSeq: seq }] as {
          afterSeq?: number;
          beforeSeq?: number;
          aroundSeq?: number;
        }[],
        d >> 3,
      );
      const call = scene.as(user).history.list(peerOfConversation(user, id), { pageSize, ...place });
      scene.judge(
        `listMessages ${id} ${JSON.stringify(place)} ${pageSize}`,
        await told(call, ({ messages }) => messages.map(saidMessage).join("\n  ")),
        (world) => {
          const all = world.history(user, id);
          const { afterSeq, beforeSeq, aroundSeq } = place;
          const older = (below: number, most: number) => all.filter((m) => m.seq < below).slice(-most);
          const newer = (above: number, most: number) => all.filter((m) => m.seq > above).slice(0, most);
          const half = Math.ceil(pageSize / 2);
          const page =
            afterSeq !== undefined
              ? newer(afterSeq, pageSize)
              : aroundSeq === undefined
                ? older(beforeSeq ?? Infinity, pageSize)
                : [...older(aroundSeq + 1, half), ...(pageSize > half ? newer(aroundSeq, pageSize - half) : [])];
          return page.map(messageLine).join("\n  ");
        },
      );
    },
  },
  getMessage: {
    weight: 2,
    can: (scene) => scene.world.messages.some(({ id }) => id !== ""),
    async run(scene, [a, b]) {
      const user = userOf(scene, a);
      const { id, conversation } = pick(
        scene.world.messages.filter((message) => message.id !== ""),
        b,
      );
      scene.judge("getMessage", await told(scene.as(user).history.get(id), saidMessage), (world) => {
        const mine = conversation.startsWith("g:") || conversation.split(":").slice(1).includes(user);
        const found = mine && canRead(() => world.history(user, conversation)).find((message) => message.id === id);
        return found
          ? messageLine(found)
          : world.send({ sender: "", receiver: `user:${STRANGER}`, key: "none", words: "", replyTo: "" });
      });
    },
  },
  addFriend: {
    weight: 4,
    async run(scene, [a, b]) {
      const [user, friend] = [userOf(scene, a), anyone(scene, b)];
      scene.judge("addFriend", await told(scene.as(user).friends.add(friend), ({ userId }) => userId), (world) => {
        world.addFriend(user, friend);
        return friend;
      });
    },
  },
  removeFriend: {
    weight: 2,
    async run(scene, [a, b]) {
      const [user, friend] = [userOf(scene, a), anyone(scene, b)];
      scene.judge("removeFriend", await told(scene.as(user).friends.remove(friend), () => ""), (world) =>
        world.removeFriend(user, friend),
      );
    },
  },
  rename: {
    weight: 1,
    async run(scene, [a, b]) {
      const [user, displayName] = [userOf(scene, a), `name ${b % 3}`];
      scene.judge("rename", await told(scene.as(user).users.update({ displayName }), () => ""), (world) =>
        world.rename(user, displayName),
      );
    },
  },

  createGroup: { weight: 3, run: (scene, args) => createPlace(scene, "group", args) },
  getGroup: verb(1, "group", async (scene, user, id) => {
    scene.judge("getGroup", await told(scene.as(user).groups.get(id), saidGroup), (world) =>
      places.get(world, "group", id, user),
    );
  }),
  addGroupMembers: verb(3, "group", async (scene, user, id, args) => {
    const users = shareOf(scene, args);
    scene.judge("addGroupMembers", await told(scene.as(user).groups.addMembers(id, users), saidGroup), (world) =>
      places.addMembers(world, "group", id, user, users),
    );
  }),
  removeGroupMembers: verb(3, "group", async (scene, user, id, args) => {
    const users = shareOf(scene, args);
    scene.judge("removeGroupMembers", await told(scene.as(user).groups.removeMembers(id, users), saidGroup), (world) =>
      places.removeMembers(world, "group", id, user, users),
    );
  }),
  replaceGroupMembers: verb(1, "group", async (scene, user, id, args) => {
    const users = shareOf(scene, args);
    scene.judge(
      "replaceGroupMembers",
      await told(scene.as(user).groups.replaceMembers(id, users), saidGroup),
      (world) => places.replaceMembers(world, "group", id, user, users),
    );
  }),
  joinGroup: verb(3, "group", async (scene, user, id) => {
    scene.judge("joinGroup", await told(scene.as(user).groups.join(id), saidGroup), (world) =>
      places.join(world, "group", id, user),
    );
  }),
  leaveGroup: verb(2, "group", async (scene, user, id) => {
    scene.judge(
      "leaveGroup",
      await told(scene.as(user).groups.leave(id), () => ""),
      (world) => void places.leave(world, "group", id, user),
    );
  }),
  transferGroup: verb(2, "group", async (scene, user, id, args) => {
    const heir = anyone(scene, args[2]);
    scene.judge("transferGroup", await told(scene.as(user).groups.transfer(id, heir), saidGroup), (world) =>
      places.transfer(world, id, user, heir),
    );
  }),
  updateGroupMember: verb(4, "group", async (scene, user, id, [, , c, d]) => {
    const target = anyone(scene, c);
    const until = scene.host.clock.now() + (d % 2 === 0 ? 60_000 : -1);
    const sdk: GroupMemberChange = pick(
      [
        { role: GroupRole.ADMIN },
        { role: GroupRole.MEMBER },
        { alias: `alias ${d % 2}` },
        { muteUntil: new Date(until) },
      ],
      d >> 2,
    );
    const { muteUntil, ...rest } = sdk;
    const change = { ...rest, ...(muteUntil !== undefined && { mutedUntilMs: until }) } as places.MemberChange;
    scene.judge(
      "updateGroupMember",
      await told(scene.as(user).groups.updateMember(id, target, sdk), saidMember),
      (world) => places.updateMember(world, id, user, target, change),
    );
  }),
  updateGroup: verb(2, "group", async (scene, user, id, [, , c, d]) => {
    const change = pick(
      [
        { name: `name ${d % 3}` },
        { history: d % 2 === 0 },
        { policy: pick([JoinPolicy.OPEN, JoinPolicy.INVITE, JoinPolicy.APPROVAL], d) },
      ],
      c,
    );
    const { policy, history, ...rest } = change as { name?: string; policy?: JoinPolicy; history?: boolean };
    const sdk = {
      ...rest,
      ...(policy !== undefined && { joinPolicy: policy }),
      ...(history !== undefined && { historyForNewMembers: history }),
    };
    scene.judge("updateGroup", await told(scene.as(user).groups.update(id, sdk), saidGroup), (world) =>
      places.update(world, "group", id, user, change),
    );
  }),
  deleteGroup: verb(1, "group", async (scene, user, id) => {
    scene.judge("deleteGroup", await told(scene.as(user).groups.delete(id), () => ""), (world) =>
      places.dissolve(world, "group", id, user),
    );
  }),
  listGroupMembers: verb(1, "group", async (scene, user, id) => {
    scene.judge(
      "listGroupMembers",
      await told(scene.as(user).groups.listMembers(id, { pageSize: 100 }), ({ members }) =>
        members.map(saidMember).join(),
      ),
      (world) =>
        places
          .listMembers(world, "group", id, user)
          .map((member) => memberLineAt(world, member))
          .join(),
    );
  }),

  createRoom: { weight: 2, run: (scene, args) => createPlace(scene, "room", args) },
  getRoom: verb(1, "room", async (scene, user, id) => {
    scene.judge("getRoom", await told(scene.as(user).rooms.get(id), saidRoom), (world) =>
      places.get(world, "room", id, user),
    );
  }),
  addRoomMembers: verb(1, "room", async (scene, user, id, args) => {
    const users = shareOf(scene, args);
    scene.judge("addRoomMembers", await told(scene.as(user).rooms.addMembers(id, users), saidRoom), (world) =>
      places.addMembers(world, "room", id, user, users),
    );
  }),
  removeRoomMembers: verb(1, "room", async (scene, user, id, args) => {
    const users = shareOf(scene, args);
    scene.judge("removeRoomMembers", await told(scene.as(user).rooms.removeMembers(id, users), saidRoom), (world) =>
      places.removeMembers(world, "room", id, user, users),
    );
  }),
  replaceRoomMembers: verb(1, "room", async (scene, user, id, args) => {
    const users = shareOf(scene, args);
    scene.judge("replaceRoomMembers", await told(scene.as(user).rooms.replaceMembers(id, users), saidRoom), (world) =>
      places.replaceMembers(world, "room", id, user, users),
    );
  }),
  joinRoom: verb(2, "room", async (scene, user, id) => {
    scene.judge("joinRoom", await told(scene.as(user).rooms.join(id), saidRoom), (world) =>
      places.join(world, "room", id, user),
    );
  }),
  leaveRoom: verb(1, "room", async (scene, user, id) => {
    scene.judge(
      "leaveRoom",
      await told(scene.as(user).rooms.leave(id), () => ""),
      (world) => void places.leave(world, "room", id, user),
    );
  }),
  updateRoom: verb(1, "room", async (scene, user, id, args) => {
    const name = `name ${args[3] % 3}`;
    scene.judge("updateRoom", await told(scene.as(user).rooms.update(id, { name }), saidRoom), (world) =>
      places.update(world, "room", id, user, { name }),
    );
  }),
  deleteRoom: verb(1, "room", async (scene, user, id) => {
    scene.judge("deleteRoom", await told(scene.as(user).rooms.delete(id), () => ""), (world) =>
      places.dissolve(world, "room", id, user),
    );
  }),

  login: onDevice(
    5,
    (scene) => scene.devices.filter((device) => !device.loggedIn && device.net),
    (scene, device) => logIn(scene, device),
  ),
  logout: onDevice(
    2,
    (scene) => loggedIn(scene).filter((device) => device.net && good(scene, device)),
    async (scene, device) => {
      await device.client.logout();
      device.loggedIn = false;
      device.waiting = [];
      device.recent = [];
      scene.all((world) => world.endSession(device.session, SessionRevokedReason.LOGGED_OUT));
    },
  ),
  revokeSession: onDevice(
    1,
    (scene) => loggedIn(scene).filter((device) => good(scene, device)),
    async (scene, device) => {
      const other = scene.usable(device.user).find((candidate) => candidate !== device);
      const { session, live: wasLive } = device;
      if (other !== undefined) await other.client.sessions.revoke(session);
      else await scene.service.as(device.user).rpc.auth.revokeSession({ sessionId: session });
      scene.all((world) => world.endSession(session, SessionRevokedReason.REVOKED));
      if (!wasLive) return;
      await device.until("the end of its session", () => device.client.state.name === "closed");
      observe(scene, [device]);
      endStream(scene, device);
      device.loggedIn = false;
    },
  ),
  pause: onDevice(
    3,
    (scene) => loggedIn(scene).filter((device) => !device.held && good(scene, device)),
    async (scene, device) => {
      const wasLive = device.live;
      await device.client.pause();
      device.held = true;
      if (wasLive) endStream(scene, device);
    },
  ),
  resume: onDevice(
    8,
    (scene) => loggedIn(scene).filter((device) => device.held),
    async (scene, device) => {
      device.held = false;
      if (device.net) await goOnline(scene, device, () => device.client.resume());
      else void device.client.resume().catch(() => undefined);
    },
  ),
  cut: onDevice(
    3,
    (scene) => scene.devices.filter((device) => device.net),
    async (scene, device) => {
      const wasLive = device.live;
      await cut(scene, device);
      if (wasLive) endStream(scene, device);
    },
  ),
  mend: onDevice(
    8,
    (scene) => scene.devices.filter((device) => !device.net),
    async (scene, device) => {
      device.net = true;
      if (device.live) await goOnline(scene, device, () => device.client.resume());
      else device.network.accept();
    },
  ),
  sendAndCut: onDevice(4, live, async (scene, device, [, b, c, d]) => {
    const sends = handSome(scene, device, b, c);
    await turns(d % 8);
    await cut(scene, device);
    await takeStock(scene, device, sends);
    observe(scene, [device]);
    endStream(scene, device);
  }),
  restart: onDevice(
    2,
    (scene) => loggedIn(scene).filter((device) => good(scene, device)),
    async (scene, device) => {
      const wasLive = device.live;
      await device.close();
      if (wasLive) endStream(scene, device);
      device.held = false;
      device.recent = [];
      device.waiting = device.waiting.map(({ send }) => ({ send, handle: undefined }));
      device.online.clear();
      const client = device.start();
      const restore = async () => {
        await client.restore(device.user);
      };
      if (device.net) await goOnline(scene, device, restore);
      else await restore();
    },
  ),

  crash: { weight: 0.25, run: (scene) => crash(scene, undefined, undefined) },
  sendAndCrash: onDevice(0.5, live, async (scene, device, [, b, c, d]) => {
    const sends = handSome(scene, device, b, c);
    await turns(d % 8);
    await crash(scene, { device, sends });
  }),
  backup: {
    weight: 1,
    can: (scene) => scene.worlds.length === 1,
    async run(scene) {
      scene.backup = { folder: scene.host.backup(), world: scene.world.clone() };
    },
  },
  restore: {
    weight: 0.75,
    can: (scene) => scene.backup !== undefined,
    run: (scene) => crash(scene, undefined, scene.backup),
  },
  leap: {
    weight: 3,
    async run(scene, [a]) {
      await leap(scene, pick([500, 2_000, 30_000, 180_000, 600_000, HOUR_MS, 3 * HOUR_MS], a));
    },
  },
  check: { weight: 0.75, run: (scene, [a]) => checkUsers(scene, [userOf(scene, a)]) },
};

const turns = async (count: number): Promise<void> => {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
};

function canRead<T>(list: () => T[]): T[] {
  try {
    return list();
  } catch {
    return [];
  }
}

function handSome(scene: Scene, device: Device, b: number, c: number): Waiting[] {
  return Array.from({ length: 1 + (b % 2) }, (_, i) => {
    const send = newSend(scene, device.user, receiverAt(scene, b + i, c));
    return { send, handle: hand(device, send) };
  });
}
