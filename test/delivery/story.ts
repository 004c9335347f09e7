import { toBinary } from "@bufbuild/protobuf";
import { type StreamEvent, StreamEventSchema } from "@parley/proto/parley/v1/stream_event_pb.js";
import { type TestServer, type TestUser, withToken } from "../support/index.js";
import { count, eventsAfter, newGroup, say, send, text, toGroup, toUser } from "../support/messaging.js";

/** Who plays the story, on whichever server is up. */
export interface Cast {
  tom: TestUser;
  jerry: TestUser;
}

export const onServer = (server: Pick<TestServer, "url">, user: TestUser): TestUser => ({
  ...user,
  rpc: withToken(server, user.token),
});

/** One act of what Jerry lives through: words with Tom, groups that take him in, drop him and take him back, friendship, read marks. */
export async function playAct({ tom, jerry }: Cast): Promise<void> {
  await tom.rpc.friend.addFriend({ userId: jerry.userId });
  const groups = [await newGroup(tom, [jerry]), await newGroup(jerry, [tom])] as const;
  for (const round of count(9)) {
    await send(tom, toUser(jerry.userId), `direct ${round}`);
    await send(jerry, toUser(tom.userId), `answer ${round}`, { attributes: { round } });
    const requests = groups.flatMap((group) =>
      count(2).map((at) => ({ receiver: toGroup(group), content: text(`group ${round}.${at} ${"é漢".repeat(at)}`) })),
    );
    await tom.rpc.message.sendMessages({ requests });
    const { seq } = await say(tom, toUser(jerry.userId), "seen?");
    await jerry.rpc.conversation.markRead({ peer: toUser(tom.userId), readSeq: seq });
    await tom.rpc.conversation.markRead({ peer: toGroup(groups[0]), readSeq: 1 });
    await tom.rpc.group.removeGroupMembers({ groupId: groups[0], userIds: [jerry.userId] });
    await say(tom, toGroup(groups[0]), `behind Jerry's back ${round}`);
    await tom.rpc.group.addGroupMembers({ groupId: groups[0], userIds: [jerry.userId] });
    await tom.rpc.friend.removeFriend({ userId: jerry.userId });
    await tom.rpc.friend.addFriend({ userId: jerry.userId });
  }
}

/** What a user must have been handed after a cursor, told by pages of the log. */
export async function eventsOf(user: TestUser, cursor: string): Promise<string[]> {
  return (await eventsAfter(user.rpc, cursor)).events.map(told);
}

/** An event as a line to compare. */
export const told = (event: StreamEvent): string => Buffer.from(toBinary(StreamEventSchema, event)).toString("latin1");
