import { peerOfConversation } from "./check.js";
import type { Device, Waiting } from "./device.js";
import {
  anyone,
  hasPlace,
  type Kind,
  live,
  loggedIn,
  newSend,
  onDevice,
  pick,
  placeAt,
  placesOf,
  receiverAt,
  STRANGER,
  userOf,
} from "./kinds.js";
import { hand, learn, peerOf, settle } from "./motions.js";
import { type Scene, told } from "./scene.js";
import type { Place, Send } from "./state.js";
import { messageLine, saidMessage } from "./words.js";

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

/** What users say, read and are to each other. */
export const TALK: Record<string, Kind> = {
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
    // Of several nodes each lets one a second pass.
    can: (scene, [a, b, c, d]) =>
      scene.host.nodes.length === 1 || scene.world.mayType(userOf(scene, a), receiverAt(scene, b, c), d % 2 === 0),
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
      let key = c % 4 === 0 ? "notice" : `k${scene.keys}`;
      const receiver = pick(
        [
          "everyone",
          `user:${anyone(scene, b)}`,
          ...["group", "room"].flatMap((kind) => placesOf(scene, kind as Place["kind"]).map((id) => `${kind}:${id}`)),
        ],
        a,
      );
      // A node that nobody of a room listens on does not know what was said there.
      if (receiver.startsWith("room:") && scene.host.nodes.length > 1) key = `k${scene.keys}`;
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
};

function canRead<T>(list: () => T[]): T[] {
  try {
    return list();
  } catch {
    return [];
  }
}
