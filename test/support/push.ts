import { randomUUID } from "node:crypto";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { type InstallationSchema, Platform, PushProvider } from "@parley/proto/parley/v1/installation_pb.js";
import type { Push, PushOutcome, PushSender, PushTarget } from "../../server/src/ports.js";
import { type Address, anonymous, type TestUser, withToken } from "./clients.js";
import { eventually } from "./eventually.js";

/** One push as it was handed over. */
interface Handed {
  appId: string;
  target: PushTarget;
  push: Push;
}

/** A way out to providers that keeps what it is given and answers as the test says. */
export interface ScriptedSender extends PushSender {
  readonly handed: Handed[];
  /** What was handed over for a token. */
  to(token: string): Push[];
  /** What the next ones are answered; by default they are sent. */
  answer: (handed: Handed) => PushOutcome | Promise<PushOutcome>;
  /** Which apps have a credential; by default all. */
  can: (appId: string) => boolean;
}

export function scriptedSender(): ScriptedSender {
  const sender: ScriptedSender = {
    handed: [],
    to: (token) => sender.handed.flatMap(({ target, push }) => (target.token === token ? [push] : [])),
    answer: () => ({ kind: "sent" }),
    can: () => true,
    canPush: (appId) => sender.can(appId),
    async send(appId, target, push) {
      const handed = { appId, target, push };
      sender.handed.push(handed);
      return await sender.answer(handed);
    },
    close: async () => undefined,
  };
  return sender;
}

/** A user's session on a phone of its own. */
export interface TestPhone extends TestUser {
  installationId: string;
  pushToken: string;
}

/** Waits until a phone was pushed so often, and gives what. */
export const pushesTo = async (sender: ScriptedSender, { pushToken }: Pick<TestPhone, "pushToken">, count = 1) =>
  await eventually(() => {
    const pushes = sender.to(pushToken);
    if (pushes.length < count) throw new Error(`${pushes.length} pushes of ${count}`);
    return pushes;
  });

/** A token that no other phone has. */
export const newPushToken = (): string => randomUUID().replaceAll("-", "");

/** Logs a user in on a phone with a push token, by its bare id. */
export async function newPhone(
  server: Address,
  userId = `phone-${randomUUID().slice(0, 8)}`,
  rest: Exclude<MessageInitShape<typeof InstallationSchema>, { $typeName: string }> = {},
): Promise<TestPhone> {
  const installation = {
    installationId: `i-${randomUUID()}`,
    platform: Platform.IOS,
    locale: "en-US",
    pushProvider: PushProvider.APNS,
    pushToken: newPushToken(),
    ...rest,
  };
  const answer = await anonymous(server).auth.login({
    appId: server.appId,
    clientKey: server.clientKey,
    credential: { case: "bareId", value: { userId } },
    installation,
  });
  const { sessionId, sessionToken: token } = answer;
  const { installationId, pushToken } = installation;
  return { userId, sessionId, token, rpc: withToken(server, token), installationId, pushToken };
}
