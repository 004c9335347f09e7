import type { JoinPolicy } from "@parley/proto/parley/v1/group_pb.js";
import { afterAll, beforeAll } from "vitest";
import { newUser, startTestServer, type TestServer, type TestUser } from "../support/index.js";

/** The server of the test file that asked for one. */
export let server: TestServer;

/** Gives a test file a server of its own. */
export function useServer(): void {
  beforeAll(async () => {
    server = await startTestServer();
  });
  afterAll(() => server.close());
}

export const users = async (count: number): Promise<TestUser[]> =>
  await Promise.all(Array.from({ length: count }, () => newUser(server)));
export const ids = (of: TestUser[]) => of.map((user) => user.userId);

/** A group of an owner and members; gives its id. */
export async function newGroup(owner: TestUser, members: TestUser[], rest: { joinPolicy?: JoinPolicy } = {}) {
  const { group } = await owner.rpc.group.createGroup({ memberUserIds: ids(members), ...rest });
  return group?.groupId ?? "";
}

export const say = (from: TestUser, groupId: string, text: string) =>
  from.rpc.message.sendMessage({
    receiver: { peer: { case: "groupId", value: groupId } },
    content: { content: { case: "text", value: { text } } },
  });

export const denied = (reason: string, field: string) => ({ code: "PermissionDenied", reason, field });
export const noGroup = { code: "NotFound", reason: "NOT_FOUND", field: "group_id" };

/** What a watcher saw, as a list of texts and changes, short enough to compare at a glance. */
export function brief(events: unknown[]): string[] {
  return (events as Record<string, Record<string, unknown>>[]).map((event) => {
    const [name, value] = Object.entries(event)[0] as [string, Record<string, unknown>];
    const message = value.message as { content?: { text?: { text?: string } } } | undefined;
    return message === undefined
      ? `${name} ${String(value.change).replace("CHANGE_KIND_", "")}`
      : `said ${message.content?.text?.text}`;
  });
}
