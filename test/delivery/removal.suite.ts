import { ChangeKind, type StreamEvent } from "@parley/proto/parley/v1/stream_event_pb.js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually, newUser, openStream, refusal, type TestStream, type TestUser } from "../support/index.js";
import { type JitteryServer, startJitteryServer } from "../support/jittery-server.js";
import {
  count,
  eventsAfter,
  messageOf,
  must,
  newGroup,
  newRoom,
  say,
  textOf,
  toGroup,
  toRoom,
} from "../support/messaging.js";
import { figure } from "../support/proofs/figure.js";
import { longTimeout, seed, sized } from "../support/proofs/tier.js";
import { random } from "../support/random.js";

const MEMBERS = 5;
const ROUNDS = sized(20, 200);

const by = seed();
const dice = random(by);
const turns = async (most: number) => {
  for (let left = dice(most + 1); left > 0; left--) await new Promise((resolve) => setImmediate(resolve));
};
let server: JitteryServer;

/** A member's stream that breaks off and goes on where it was, at any moment. */
class Follower {
  readonly events: StreamEvent[] = [];
  #stream: TestStream | undefined;
  readonly #user: TestUser;
  #cursor: string;
  constructor(user: TestUser, cursor: string) {
    this.#user = user;
    this.#cursor = cursor;
  }

  async reopen(): Promise<void> {
    await this.close();
    this.#stream = openStream(this.#user, { cursor: this.#cursor });
  }

  /** What came by all streams up to now. */
  seen(): StreamEvent[] {
    return [...this.events, ...(this.#stream?.events() ?? [])].filter((event) => event.cursor !== "");
  }

  async close(): Promise<void> {
    await this.#stream?.close();
    this.events.push(...(this.#stream?.events() ?? []).filter((event) => event.cursor !== ""));
    this.#cursor = this.events.at(-1)?.cursor ?? this.#cursor;
    this.#stream = undefined;
  }
}

/** Of the log of one who is always there, what a user must see who comes and goes. */
function shareOf(userId: string, log: readonly StreamEvent[]): StreamEvent[] {
  let inside = true;
  return log.filter(({ event }) => {
    if (event.case !== "groupMemberChanged" || !event.value.userIds.includes(userId)) return inside;
    inside = event.value.change === ChangeKind.ADDED;
    return true;
  });
}

const cursors = (events: readonly StreamEvent[]) => events.map((event) => event.cursor);

describe("S20: removals race with sends and live streams", () => {
  beforeAll(async () => {
    server = await startJitteryServer({ turns: () => (dice(4) === 0 ? dice(5) : 0) });
  });
  afterAll(() => server.close());

  it("in groups a member sees exactly what lies between its joining and its removal", {
    timeout: longTimeout,
  }, async (context) => {
    const [owner, talker] = [await newUser(server, "owner"), await newUser(server, "talker")];
    let removals = 0;
    const follow = async (_: number) => {
      const member = await newUser(server, "member");
      const groupId = await newGroup(owner, [talker, member]);
      // The owner hears of all groups, so its log of this one is picked out by the group.
      const { cursor } = await member.rpc.message.listEvents({});
      const follower = new Follower(member, cursor);
      await follower.reopen();
      for (let round = 0; round < ROUNDS; round++) {
        let [sending, sent] = [true, 0];
        const talk = async () => {
          while (sending || sent < 3) await say(talker, toGroup(groupId), `${round}.${sent++}`);
        };
        const talking = Promise.all([talk(), talk()]);
        await turns(12);
        const userIds = [member.userId];
        const leaving = [
          () => owner.rpc.group.removeGroupMembers({ groupId, userIds }),
          () => member.rpc.group.leaveGroup({ groupId }),
          () => owner.rpc.group.replaceGroupMembers({ groupId, userIds: [owner.userId, talker.userId] }),
        ];
        const reopening = dice(3) === 0 ? follower.reopen() : undefined;
        await must(leaving[dice(3)])();
        removals++;
        await expectOutside(member, groupId);
        await turns(5);
        sending = false;
        await talking;
        await reopening;
        await owner.rpc.group.addGroupMembers({ groupId, userIds });
      }
      const log = ofGroup(groupId, (await eventsAfter(owner.rpc, cursor)).events);
      const share = shareOf(member.userId, log);
      await eventually(() => expect(follower.seen().at(-1)?.cursor).toBe(share.at(-1)?.cursor), 30_000);
      await follower.close();
      expect({ by, seen: cursors(follower.events) }).toEqual({ by, seen: cursors(share) });
      expect(follower.events).toEqual(share);
      expect((await eventsAfter(member.rpc, cursor)).events).toEqual(share);
      return { seen: share.length, hidden: log.length - share.length };
    };
    const shares = await Promise.all(count(MEMBERS).map(follow));
    const [seen, hidden] = (["seen", "hidden"] as const).map((part) =>
      shares.reduce((sum, share) => sum + share[part], 0),
    );
    expect(hidden).toBeGreaterThan(removals / 2);
    figure(context, `${removals} removals: ${seen} events seen and ${hidden} not, as the edges say`);
  });

  it("in rooms nothing that is said after a removal arrives", { timeout: longTimeout }, async (context) => {
    const [owner, talker, member] = [await newUser(server), await newUser(server), await newUser(server)];
    const roomId = await newRoom(owner, [talker, member]);
    const stream = openStream(member);
    await stream.frame("caughtUp");
    const late = new Set<string>();
    let talked = 0;
    const rounds = ROUNDS;
    for (let round = 0; round < rounds; round++) {
      let [sending, removed] = [true, false];
      const talk = async () => {
        for (let at = 0; sending; at++) {
          const words = `${round}.${at} ${talked++}`;
          if (removed) late.add(words);
          await talker.rpc.message.sendMessage({
            receiver: toRoom(roomId),
            content: { content: { case: "text", value: { text: words } } },
          });
        }
      };
      const talking = Promise.all([talk(), talk()]);
      await turns(12);
      if (dice(2) === 0) await owner.rpc.room.removeRoomMembers({ roomId, userIds: [member.userId] });
      else await member.rpc.room.leaveRoom({ roomId });
      removed = true;
      await turns(12);
      sending = false;
      await talking;
      await member.rpc.room.joinRoom({ roomId });
    }
    await say(owner, { peer: { case: "userId", value: member.userId } }, "the end");
    await eventually(() => expect(textOf(messageOf(must(stream.events().at(-1))))).toBe("the end"));
    await stream.close();
    const heard = stream.events().map((event) => textOf(messageOf(event)));
    expect(late.size).toBeGreaterThan(0);
    expect({ by, late: heard.filter((words) => late.has(words)) }).toEqual({ by, late: [] });
    // At each edge: what is heard last is the leaving, and the next is the joining.
    const edges = stream
      .events()
      .flatMap(({ event }) => (event.case === "roomMemberChanged" ? [event.value.change] : []));
    expect(edges).toEqual(count(rounds).flatMap(() => [ChangeKind.REMOVED, ChangeKind.ADDED]));
    figure(context, `${rounds} leavings of a room: 0 of ${late.size} words said afterwards heard`);
  });
});

/** One who was removed reads and says nothing more, from the moment its removal was answered. */
async function expectOutside(member: TestUser, groupId: string): Promise<void> {
  const refusals = await Promise.all([
    refusal(member.rpc.history.listMessages({ peer: toGroup(groupId) })),
    refusal(say(member, toGroup(groupId), "I am still here")),
  ]);
  expect(refusals.map(({ reason }) => reason)).toEqual(["NOT_MEMBER", "NOT_MEMBER"]);
}

function ofGroup(groupId: string, events: readonly StreamEvent[]): StreamEvent[] {
  return events.filter(({ event }) => {
    if (event.case === "groupMemberChanged") return event.value.groupId === groupId;
    const peer = event.case === "messageCreated" ? event.value.message?.receiver?.peer : undefined;
    return peer?.case === "groupId" && peer.value === groupId;
  });
}
