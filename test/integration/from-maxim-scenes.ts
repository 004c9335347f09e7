import {
  type ChatMessage,
  type Client,
  everyone,
  type Group,
  group,
  PushEnvironment,
  PushProvider,
  type Room,
  room,
  user,
} from "@parley/client";
import { expect, onTestFinished } from "vitest";
import { type Cast, live } from "../support/cast.js";
import { eventually } from "../support/index.js";
import { count, must, textOf } from "../support/messaging.js";
import { fakeWechat } from "../support/oauth-fakes.js";
import { newPushToken, scriptedSender } from "../support/push.js";
import { makePushKeys } from "../support/push-keys.js";
import { newPhoneNumber, printedCode } from "../support/sms.js";
import type { Made } from "../support/snippets.js";
import { png } from "../support/uploads.js";

/** What is there when a block of docs/from-maxim.md runs, what it showed and what it made. */
export interface Stage extends Cast {
  /** What the block has as `client`: Tom's, or one in which nobody is logged in. */
  client: Client;
  shown: unknown[];
  made: Made;
}

/** What comes before a block, and what it must have done. */
export interface Scene {
  loggedOut?: true;
  before?: (stage: Stage) => Promise<unknown>;
  /** What this block alone takes as given. */
  given?: (stage: Stage) => Promise<Record<string, unknown>>;
  after: (stage: Stage) => unknown;
}

const shows = (...expected: unknown[]): Scene => ({ after: ({ shown }) => expect(shown).toEqual(expected) });
const userIdOf = ({ client }: Stage) => client.currentUser?.userId ?? "nobody";
const membersOf = async ({ tom, groupId }: Stage) => [...(await tom.groups.get(groupId)).memberUserIds].sort();
const visitorsOf = async ({ tom, roomId }: Stage) => [...(await tom.rooms.get(roomId)).memberUserIds].sort();
const textsWith = async ({ jerry }: Stage) => (await jerry.history.list(user("Tom"))).messages.map(textOf);
const shownTexts = ({ shown }: Stage) => shown.map((message) => textOf(message as ChatMessage));
const sayIn = async (client: Client, peer: ReturnType<typeof user>, ...texts: (string | number)[]) => {
  for (const text of texts) await client.messages.send(peer, { text: String(text) }).stored;
};

const loggingIn: Record<string, Scene> = {
  "Create a client": {
    loggedOut: true,
    given: async () => ({ installationId: "phone-1" }),
    async after({ made }) {
      const client = made.client as Client;
      await client.login({ bareId: "Muscles" });
      expect(await client.sessions.list()).toMatchObject({ sessions: [{ installationId: "phone-1" }] });
    },
  },
  "Log in with a user id": { loggedOut: true, ...shows("logged in as Tom") },
  "Log in with a username and a password": {
    loggedOut: true,
    after(stage) {
      expect(stage.shown).toEqual([`logged in, the user id is ${userIdOf(stage)}`]);
      expect(["nobody", "Tom"]).not.toContain(userIdOf(stage));
    },
  },
  "Log in with a phone number and a code": {
    loggedOut: true,
    before: ({ backend }) => backend.admin.setSmsGateway({ case: "console", value: {} }),
    async given({ app }) {
      const phoneNumber = newPhoneNumber();
      return { phoneNumber, askForCode: async () => printedCode(app, phoneNumber) };
    },
    after(stage) {
      expect(stage.shown).toEqual([`logged in, the user id is ${userIdOf(stage)}`]);
      expect(userIdOf(stage)).not.toBe("nobody");
    },
  },
  "Log in with the data of a third party": {
    loggedOut: true,
    async given({ backend }) {
      const wechat = await fakeWechat();
      onTestFinished(() => wechat.close());
      const kind = { case: "wechat" as const, value: { appId: "wx1" } };
      await backend.admin.setOauthProviders([{ name: "wechat", kind, baseUrl: wechat.url }]);
      wechat.grants.set("token-1", { id: "open-1", client: "wx1" });
      return { openId: "open-1", accessToken: "token-1" };
    },
    after(stage) {
      expect(stage.shown).toEqual([`logged in, the user id is ${userIdOf(stage)}`]);
      expect(userIdOf(stage)).not.toBe("nobody");
    },
  },
  "Log in as a guest": {
    loggedOut: true,
    async after(stage) {
      expect(stage.shown).toEqual([`logged in, the user id is ${userIdOf(stage)}`]);
      expect(await stage.tom.users.get(userIdOf(stage))).toMatchObject({ attributes: { from: "the site" } });
    },
  },
  "Log in with a token of your own backend": { loggedOut: true, ...shows("logged in as Tom") },
  Pause: {
    async after({ client, jerry }) {
      expect(client.state.name).toBe("paused");
      await eventually(async () => expect((await jerry.friends.get("Tom")).online).toBe(false));
    },
  },
  Resume: {
    async before({ client, jerry, shown }) {
      client.on("friendMessage", (message) => void shown.push(message));
      await client.pause();
      await sayIn(jerry, user("Tom"), "while away");
    },
    async after(stage) {
      await sayIn(stage.jerry, user("Tom"), "back again");
      await eventually(() => expect(shownTexts(stage)).toEqual(["while away", "back again"]));
    },
  },
  "Log out": {
    async after({ client, backend, shown }) {
      expect(shown).toEqual(["logged out"]);
      expect(client.currentUser).toBeUndefined();
      expect(await backend.as("Tom").rpc.auth.listSessions({})).toMatchObject({ sessions: [] });
    },
  },
};

const messages: Record<string, Scene> = {
  "Read a message": {
    async after({ jerry, shown }) {
      const { createTime } = await jerry.messages.send(user("Tom"), { text: "Hi!" }, { remark: "r" }).stored;
      const time = new Date(Number(createTime?.seconds) * 1000 + Math.floor((createTime?.nanos ?? 0) / 1e6));
      await eventually(() => expect(shown).toEqual(["Hi!", "Jerry", "userId", time, "r"]));
      const image = { url: "https://cdn.example.com/cat.png" };
      await jerry.messages.send(user("Tom"), { image }).stored;
      await eventually(() => expect(shown[5]).toBe(image.url));
    },
  },
  "Send and follow a message": {
    async after(stage) {
      await eventually(() => expect(stage.shown).toEqual(["sending", "sent"]));
      expect(await textsWith(stage)).toEqual(["Hi!"]);
    },
  },
  "Send a picture by its address": {
    async after({ jerry }) {
      const value = { url: "https://cdn.example.com/cat.png", width: 640, height: 480 };
      const page = await jerry.history.list(user("Tom"));
      expect(page).toMatchObject({ messages: [{ content: { content: { case: "image", value } } }] });
    },
  },
  "Send a picture from the device": {
    given: async () => ({ file: new File([png(64, 48)], "cat.png", { type: "image/png" }) }),
    async after({ jerry, shown }) {
      expect(shown.at(-1)).toBe(1);
      const value = { fileName: "cat.png", mimeType: "image/png", width: 64, height: 48 };
      const sent = { content: { content: { case: "image", value } } };
      expect(await jerry.history.list(user("Tom"))).toMatchObject({ messages: [sent, sent] });
    },
  },
  "Wish something for the push of a message": {
    after: async (stage) => expect(await textsWith(stage)).toEqual(["Hi!"]),
  },
};

const friends: Record<string, Scene> = {
  "Add a friend": {
    before: ({ tom }) => tom.friends.remove("Jerry"),
    async after({ shown, jerry }) {
      expect(shown).toEqual(["Jerry"]);
      expect(await jerry.friends.fetch()).toMatchObject([{ userId: "Tom" }]);
    },
  },
  "Remove a friend": {
    after: async ({ tom, jerry }) => expect([await tom.friends.fetch(), await jerry.friends.fetch()]).toEqual([[], []]),
  },
  "Hear friends come and go": {
    async after({ jerry, shown }) {
      await jerry.pause();
      await eventually(() => expect(shown).toEqual(["Jerry is offline"]));
      await jerry.resume();
      await eventually(() => expect(shown).toEqual(["Jerry is offline", "Jerry is online"]));
    },
  },
  "Get all friends": shows("Jerry true"),
  "Get one friend": shows("Jerry"),
  "Send to a friend": {
    async after(stage) {
      expect(stage.shown).toEqual(["sent as number 1"]);
      expect(await textsWith(stage)).toEqual(["Hi!"]);
    },
  },
  "Receive from a friend": {
    async after({ made, tom, spike, shown }) {
      await live(made.jerry as Client);
      await sayIn(spike, user("Jerry"), "not this one");
      await sayIn(tom, user("Jerry"), "this one");
      await eventually(() => expect(shown).toEqual(["a message of Tom's"]));
    },
  },
  "Read the history with a friend": {
    before: ({ tom, jerry }) =>
      sayIn(tom, user("Jerry"), ...count(11)).then(() => sayIn(jerry, user("Tom"), "and mine")),
    after: ({ shown }) =>
      expect((shown[0] as ChatMessage[]).map(textOf)).toEqual([...count(11).slice(2).map(String), "and mine"]),
  },
};

const groups: Record<string, Scene> = {
  "Get all groups": {
    after: ({ shown, groupId }) => expect(shown[0] as Group[]).toMatchObject([{ groupId, name: "Tom's group" }]),
  },
  "Get one group": shows("Tom's group"),
  "Make a group": {
    after: async ({ jerry, shown }) =>
      expect(await jerry.groups.get(String(shown[0]))).toMatchObject({
        ownerUserId: "Tom",
        memberUserIds: ["Jerry", "Tom"],
      }),
  },
  "Add members to a group": {
    after: async (stage) => expect(await membersOf(stage)).toEqual(["Bob", "Jerry", "Spike", "Tom"]),
  },
  "Remove members from a group": {
    before: ({ tom, groupId }) => tom.groups.addMembers(groupId, ["Bob", "Spike"]),
    after: async (stage) => expect(await membersOf(stage)).toEqual(["Spike", "Tom"]),
  },
  "Replace the members of a group": {
    after: async (stage) => expect(await membersOf(stage)).toEqual(["Bob", "Spike", "Tom"]),
  },
  "Give a group to another owner": shows("Jerry"),
  "Send to a group": {
    after: async ({ jerry, groupId }) =>
      expect((await jerry.history.list(group(groupId))).messages.map(textOf)).toEqual(["Hi!"]),
  },
  "Receive from a group": {
    async after(stage) {
      const other = await stage.tom.groups.create({ memberUserIds: ["Jerry"] });
      await sayIn(stage.tom, group(other.groupId), "elsewhere");
      await sayIn(stage.tom, group(stage.groupId), "here");
      await eventually(() => expect(shownTexts(stage)).toEqual(["here"]));
    },
  },
  "Read the history of a group": {
    before: ({ jerry, groupId }) => sayIn(jerry, group(groupId), ...count(12)),
    after: ({ shown }) => expect((shown[0] as ChatMessage[]).map(textOf)).toEqual(count(12).slice(2).map(String)),
  },
  "Dissolve a group": {
    after: ({ jerry, groupId }) => expect(jerry.groups.get(groupId)).rejects.toMatchObject({ reason: "NOT_FOUND" }),
  },
};

const rooms: Record<string, Scene> = {
  "Get all rooms": {
    after: ({ shown, roomId }) => expect(shown[0] as Room[]).toMatchObject([{ roomId, name: "Tom's room" }]),
  },
  "Get one room": shows("Tom's room"),
  "Make a room": {
    after: async ({ jerry, shown }) =>
      expect(await jerry.rooms.get(String(shown[0]))).toMatchObject({ memberUserIds: ["Jerry", "Tom"] }),
  },
  "Add members to a room": {
    after: async (stage) => expect(await visitorsOf(stage)).toEqual(["Bob", "Jerry", "Spike", "Tom"]),
  },
  "Remove members from a room": {
    before: ({ tom, roomId }) => tom.rooms.addMembers(roomId, ["Bob", "Spike"]),
    after: async (stage) => expect(await visitorsOf(stage)).toEqual(["Spike", "Tom"]),
  },
  "Send to a room": {
    before: async ({ jerry, shown }) => jerry.on("roomMessage", (message) => void shown.push(message)),
    after: (stage) => eventually(() => expect(shownTexts(stage)).toEqual(["Hi!"])),
  },
  "Receive from a room": {
    async after(stage) {
      await sayIn(stage.tom, room(stage.roomId), "here");
      await eventually(() => expect(shownTexts(stage)).toEqual(["here"]));
    },
  },
  "Delete a room": {
    after: ({ jerry, roomId }) => expect(jerry.rooms.get(roomId)).rejects.toMatchObject({ reason: "NOT_FOUND" }),
  },
};

/** The way out to the phones. */
export const sender = scriptedSender();

const phone = { installationId: "phone-1", pushProvider: PushProvider.APNS, locale: "en" };

const push: Record<string, Scene> = {
  "Wish something for the push of a message": {
    async before({ jerry }) {
      await jerry.installations.register({ ...phone, pushToken: newPushToken() });
      await jerry.pause();
    },
    async after({ app, jerry }) {
      const { messageId } = must((await jerry.history.list(user("Tom"))).messages[0]);
      const handed = await eventually(() =>
        must(sender.handed.find(({ appId, push }) => appId === app.appId && push.collapseId === messageId)),
      );
      expect(handed.push).toMatchObject({ body: "Tom: Hi!", sound: "ping" });
    },
  },
  "Register a device for push": {
    given: async () => ({ installationId: "phone-1", deviceToken: newPushToken() }),
    async after({ client, jerry }) {
      expect(await client.installations.list()).toMatchObject({
        installations: [{ installationId: "phone-1", pushProvider: PushProvider.APNS, locale: "zh-Hans" }],
      });
      await client.pause();
      const { messageId } = await jerry.messages.send(user("Tom"), { text: "Hi!" }).stored;
      await eventually(() => expect(sender.handed.map(({ push }) => push.collapseId)).toContain(messageId));
    },
  },
  "Count an opened push": {
    before: ({ client }) => client.installations.register({ ...phone, pushToken: newPushToken() }),
    async given({ client, jerry }) {
      await client.pause();
      const { messageId } = await jerry.messages.send(user("Tom"), { text: "Hi!" }).stored;
      await eventually(() => expect(sender.handed.map(({ push }) => push.collapseId)).toContain(messageId));
      return { messageId };
    },
    after: ({ client }) =>
      expect(client.installations.reportPushOpened({ messageId: "another" })).rejects.toMatchObject({
        reason: "NOT_FOUND",
      }),
  },
  "Upload the push certificate": {
    async given() {
      const keys = makePushKeys();
      onTestFinished(() => keys[Symbol.dispose]());
      return { p12: new Uint8Array(keys.p12({ password: "secret" })), password: "secret" };
    },
    after: async ({ backend }) =>
      expect(await backend.admin.listPushCredentials()).toMatchObject([
        { provider: PushProvider.APNS, environment: PushEnvironment.PRODUCTION },
      ]),
  },
};

const toEach = ({ groupId, roomId }: Stage) => [
  "to everyone",
  "to me alone",
  `to the group ${groupId}`,
  `to the room ${roomId}`,
];

const system: Record<string, Scene> = {
  "Receive from the system": {
    async after(stage) {
      const { backend, groupId, roomId, shown } = stage;
      await backend.admin.sendSystemMessage(everyone(), { text: "all" });
      for (const peer of [user("Tom"), group(groupId), room(roomId)])
        await backend.admin.sendSystemMessage(peer, { text: "you" });
      await eventually(() => expect(shown).toEqual(toEach(stage)));
    },
  },
  "Send as the system": {
    before: async ({ tom, shown }) => tom.on("systemMessage", (message) => void shown.push(message)),
    after: (stage) =>
      eventually(() =>
        expect(shownTexts(stage)).toEqual([
          "Maintenance at 9.",
          "Welcome, Tom.",
          "The group is a year old.",
          "The game begins.",
        ]),
      ),
  },
};

/** The scene of each block, by its name. */
export const SCENES: Readonly<Record<string, Scene>> = {
  ...loggingIn,
  ...messages,
  ...friends,
  ...groups,
  ...rooms,
  ...system,
  ...push,
};
