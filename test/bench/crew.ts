import type { Contestant, Member, Target } from "./contestant.js";
import type { Channel, Load } from "./load.js";
import type { ReadyLine } from "./server-process.js";
import { inTurn } from "./stage.js";
import type { SendLoad } from "./workloads.js";

const joinsAtOnce = 20;

/** The connected users of a run. */
export interface Crew {
  readonly channels: readonly Channel[];
  close(): Promise<void>;
}

/** Connects everybody that a workload needs. Receivers come first, for nobody can write to a user that never was. */
export async function gather(
  contestant: Contestant,
  { channels: count, receivers, group }: SendLoad,
  server: ReadyLine,
  load: Load,
): Promise<Crew> {
  const members: Member[] = [];
  const { fail } = load;

  async function joinReceiver(userId: string, channel: number, receiver: number): Promise<Member> {
    const receive = load.receive.bind(undefined, channel, receiver);
    return await contestant.join(server, { userId, receive, fail });
  }

  async function all(joins: (() => Promise<Member>)[]): Promise<Member[]> {
    const joined = await inTurn(joins, joinsAtOnce);
    members.push(...joined);
    return joined;
  }

  async function groupChannel(): Promise<Channel> {
    const joins = Array.from({ length: receivers }, (_, at) => () => joinReceiver(`member-${at}`, 0, at));
    const [sender, ...others] = await all(joins);
    if (!sender) throw new RangeError("a group needs a sender");
    return { send: sender.send, target: await sender.createGroup(others.map(({ userId }) => userId)) };
  }

  async function pairChannels(): Promise<Channel[]> {
    const numbers = Array.from({ length: count }, (_, at) => at);
    await all(numbers.map((at) => () => joinReceiver(`receiver-${at}`, at, 0)));
    const senders = await all(numbers.map((at) => () => contestant.join(server, { userId: `sender-${at}`, fail })));
    return senders.map(({ send }, at) => ({ send, target: toUser(`receiver-${at}`) }));
  }

  return {
    channels: group ? [await groupChannel()] : await pairChannels(),
    close: async () => void (await Promise.all(members.map((member) => member.close()))),
  };
}

const toUser = (id: string): Target => ({ kind: "user", id });
