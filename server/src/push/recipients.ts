import { idOf, isGroupPlace } from "../store/audience.js";
import { listPlaceRecipients, listRecipients, type PushEvent, type Recipient } from "../store/push-log.js";
import type { Db } from "../store/schema.js";
import { type PushMessage, readPushMessages } from "./message.js";

/** A message with the phones it may be pushed to. */
export interface Addressed {
  pos: number;
  said: PushMessage;
  recipients: Recipient[];
  /** Nobody else is to be pushed for this position. */
  last: boolean;
}

/** How many members of a group are looked at in one go. */
const PAGE = 500;

/** The phones that these messages may be pushed to, in the order of the log: of users together, of a group page by page. `only` narrows it to some users. */
export async function* addressed(
  db: Db,
  appId: string,
  events: readonly (Pick<PushEvent, "pos" | "audiences"> & { only?: readonly string[] })[],
): AsyncGenerator<Addressed[]> {
  let together: (typeof events)[number][] = [];
  for (const event of events) {
    const place = event.audiences.find(isGroupPlace);
    if (place === undefined || event.only !== undefined) {
      together.push(event);
      continue;
    }
    yield await ofUsers(db, appId, together);
    together = [];
    yield* ofGroup(db, appId, event.pos, place);
  }
  yield await ofUsers(db, appId, together);
}

async function ofUsers(
  db: Db,
  appId: string,
  events: readonly (Pick<PushEvent, "pos" | "audiences"> & { only?: readonly string[] })[],
): Promise<Addressed[]> {
  const usersOf = new Map(
    events.map(({ pos, audiences, only }) => [
      pos,
      only ?? audiences.filter((name) => name.startsWith("u:")).map(idOf),
    ]),
  );
  const phones = await phonesOf(db, appId, [...new Set([...usersOf.values()].flat())]);
  const reached = events.filter(({ pos }) => usersOf.get(pos)?.some((userId) => phones.has(userId)));
  const messages = await readPushMessages(
    db,
    appId,
    reached.map(({ pos }) => pos),
  );
  return reached.flatMap(({ pos }) => {
    const said = messages.get(pos);
    if (said === undefined) return [];
    const receivers = (usersOf.get(pos) ?? []).filter((userId) => userId !== said.senderId);
    return [{ pos, said, recipients: receivers.flatMap((userId) => phones.get(userId) ?? []), last: true }];
  });
}

async function phonesOf(db: Db, appId: string, userIds: readonly string[]): Promise<Map<string, Recipient[]>> {
  const phones = new Map<string, Recipient[]>();
  for (let at = 0; at < userIds.length; at += PAGE)
    for (const phone of await listRecipients(db, appId, userIds.slice(at, at + PAGE)))
      phones.set(phone.userId, [...(phones.get(phone.userId) ?? []), phone]);
  return phones;
}

async function* ofGroup(db: Db, appId: string, pos: number, place: string): AsyncGenerator<Addressed[]> {
  let said: PushMessage | undefined;
  for (let after: Recipient | undefined; ; ) {
    const page = await listPlaceRecipients(db, appId, place, pos, after, PAGE);
    // A group without a phone costs no look at the message.
    if (page.length === 0) return;
    said ??= (await readPushMessages(db, appId, [pos])).get(pos);
    if (said === undefined) return;
    const last = page.length < PAGE;
    const { senderId } = said;
    yield [{ pos, said, recipients: page.filter(({ userId }) => userId !== senderId), last }];
    if (last) return;
    after = page.at(-1);
  }
}
