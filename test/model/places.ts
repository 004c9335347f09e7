import type { Reference } from "./reference.js";
import { type Conversation, type Place, Refused, type Stay } from "./state.js";
import {
  ChangeKind,
  GroupRole,
  JoinPolicy,
  memberLine,
  membersChangeLine,
  placeChangeLine,
  placeLine,
} from "./words.js";

/** The verbs of groups and rooms on the reference model. Each gives the line of the place as the caller may see it then. */

type Kind = Place["kind"];

const nameOf = (kind: Kind, id: string): string => `${kind.slice(0, 1)}:${id}`;
const name = (place: Place): string => nameOf(place.kind, place.id);

export interface NewPlace {
  kind: Kind;
  id: string;
  name: string;
  members: readonly string[];
  policy: number;
  history: boolean;
  requestId: string;
}

interface Standing {
  place: Place;
  member: boolean;
  role: number;
}

function standing(model: Reference, kind: Kind, id: string, user: string): Standing {
  const place = model.places[nameOf(kind, id)];
  if (place === undefined || place.gone) throw new Refused("NOT_FOUND");
  const member = model.member(name(place), user);
  const role = place.owner === user ? GroupRole.OWNER : (member?.role ?? GroupRole.UNSPECIFIED);
  return { place, member: member !== undefined, role };
}

const mustBe = ({ role }: Standing, least: GroupRole): void => {
  if (role < least) throw new Refused("ROLE_TOO_LOW");
};
const mustBeMember = ({ member }: Standing): void => {
  if (!member) throw new Refused("NOT_MEMBER");
};

function describe(model: Reference, place: Place, members: readonly string[]): string {
  return placeLine({ ...place, members, count: model.members(name(place)).length });
}
export const whole = (model: Reference, place: Place): string =>
  describe(
    model,
    place,
    model.members(name(place)).map((stay) => stay.user),
  );

/** The place as somebody who asks for it sees it. */
export function get(model: Reference, kind: Kind, id: string, user: string): string {
  const found = standing(model, kind, id, user);
  if (kind === "group") mustBeMember(found);
  return whole(model, found.place);
}

export function listMembers(model: Reference, kind: Kind, id: string, user: string): Stay[] {
  const found = standing(model, kind, id, user);
  mustBeMember(found);
  return model.members(name(found.place));
}

function admit(model: Reference, kind: Kind, present: number, users: readonly string[]): void {
  for (const user of users) model.user(user);
  if (kind === "group" && present + users.length > model.rules.mostMembers) throw new Refused("MEMBER_LIMIT");
}

function beginStays(model: Reference, place: Place, users: readonly string[], from: number): void {
  for (const user of users) {
    const role = user === place.owner ? GroupRole.OWNER : GroupRole.MEMBER;
    place.stays.push({ user, from, to: undefined, role, alias: "", mutedUntilMs: 0 });
    if (place.kind === "room") continue;
    model.conversations[name(place)] ??= { head: 0, floor: 0, lastPos: 0, lastMs: 0, read: {} };
    const conversation = model.conversations[name(place)] as Conversation;
    // What was said before counts as read.
    conversation.read[user] = conversation.head;
  }
}

function letIn(model: Reference, place: Place, newcomers: readonly string[], actor: string): void {
  if (newcomers.length === 0) return;
  const users = newcomers.toSorted();
  const count = model.members(name(place)).length + users.length;
  const line = membersChangeLine(place.kind, place.id, ChangeKind.ADDED, actor, users, count, "");
  beginStays(model, place, users, model.emit([name(place)], line));
}

function letGo(model: Reference, place: Place, users: readonly string[], actor: string): void {
  if (users.length === 0) return;
  const count = model.members(name(place)).length - users.length;
  const line = membersChangeLine(place.kind, place.id, ChangeKind.REMOVED, actor, users, count, "");
  const to = model.emit([name(place), ...users.map((user) => `u:${user}`)], line);
  for (const stay of place.stays) if (users.includes(stay.user) && stay.to === undefined) stay.to = to;
  for (const user of users) delete model.conversations[name(place)]?.read[user];
}

export function create(model: Reference, user: string, made: NewPlace): string {
  const key = `${user}|${made.requestId}`;
  const what = JSON.stringify({ ...made, id: "" });
  const known = made.requestId === "" ? undefined : model.answered[key];
  if (known !== undefined && known.untilMs > model.nowMs) {
    if (known.what !== what) throw new Refused("IDEMPOTENCY_CONFLICT");
    return known.answer;
  }
  const members = [...new Set([user, ...made.members])].sort();
  admit(model, made.kind, 0, members);
  const { kind, id, policy, history } = made;
  const place: Place = { id, kind, name: made.name, owner: user, policy, history, gone: false, stays: [] };
  model.places[nameOf(kind, id)] = place;
  const answer = placeLine({ ...place, members, count: members.length });
  beginStays(
    model,
    place,
    members,
    model.emit([name(place)], placeChangeLine(kind, id, ChangeKind.ADDED, user, answer)),
  );
  if (made.requestId !== "") model.answered[key] = { what, answer, untilMs: model.nowMs + model.rules.answeredMs };
  return answer;
}

export function addMembers(model: Reference, kind: Kind, id: string, user: string, users: readonly string[]): string {
  if (users.every((other) => other === user)) return join(model, kind, id, user);
  const found = standing(model, kind, id, user);
  mustBeMember(found);
  const { place } = found;
  mustBe(found, place.policy === JoinPolicy.APPROVAL ? GroupRole.ADMIN : GroupRole.MEMBER);
  const newcomers = [...new Set(users)].filter((other) => model.member(name(place), other) === undefined);
  if (newcomers.length > 0) admit(model, kind, model.members(name(place)).length, newcomers);
  letIn(model, place, newcomers, user);
  return whole(model, place);
}

export function join(model: Reference, kind: Kind, id: string, user: string): string {
  const { place, member } = standing(model, kind, id, user);
  if (member) return whole(model, place);
  if (place.policy !== JoinPolicy.OPEN) throw new Refused("ROLE_TOO_LOW");
  admit(model, kind, model.members(name(place)).length, [user]);
  letIn(model, place, [user], user);
  return whole(model, place);
}

export function removeMembers(
  model: Reference,
  kind: Kind,
  id: string,
  user: string,
  users: readonly string[],
): string {
  if (users.every((other) => other === user)) return leave(model, kind, id, user);
  const found = standing(model, kind, id, user);
  const { place } = found;
  if (kind === "group") mustBeMember(found);
  mustBe(found, kind === "group" ? GroupRole.ADMIN : GroupRole.OWNER);
  for (const other of users) {
    if (kind === "group" && other === place.owner) throw new Refused("OWNER_CANNOT_BE_REMOVED");
    const role = model.member(name(place), other)?.role ?? GroupRole.UNSPECIFIED;
    if (role >= found.role && other !== user) throw new Refused("ROLE_TOO_LOW");
  }
  const leavers = [...new Set(users)].filter((other) => model.member(name(place), other) !== undefined);
  letGo(model, place, leavers, user);
  return kind === "group" && leavers.includes(user) ? describe(model, place, []) : whole(model, place);
}

export function leave(model: Reference, kind: Kind, id: string, user: string): string {
  const { place, member } = standing(model, kind, id, user);
  if (kind === "group" && place.owner === user) throw new Refused("OWNER_CANNOT_BE_REMOVED");
  // One who never was a member learns nothing of a group by leaving it.
  if (!member && kind === "group")
    return placeLine({
      id,
      name: "",
      owner: "",
      members: [],
      count: 0,
      policy: JoinPolicy.UNSPECIFIED,
      history: false,
    });
  if (member) letGo(model, place, [user], user);
  return kind === "group" ? describe(model, place, []) : whole(model, place);
}

export function replaceMembers(
  model: Reference,
  kind: Kind,
  id: string,
  user: string,
  users: readonly string[],
): string {
  const found = standing(model, kind, id, user);
  mustBe(found, GroupRole.OWNER);
  const { place } = found;
  const present = model.members(name(place)).map((stay) => stay.user);
  const leavers = present.filter((other) => other !== place.owner && !users.includes(other));
  const newcomers = [...new Set(users)].filter((other) => !present.includes(other));
  if (newcomers.length > 0) admit(model, kind, present.length - leavers.length, newcomers);
  letGo(model, place, leavers, user);
  letIn(model, place, newcomers, user);
  return whole(model, place);
}

type Change = Partial<Pick<Place, "name" | "policy" | "history">>;

export function update(model: Reference, kind: Kind, id: string, user: string, change: Change): string {
  const found = standing(model, kind, id, user);
  mustBe(found, GroupRole.OWNER);
  const { place } = found;
  const before = placeLine({ ...place, members: [], count: 0 });
  Object.assign(place, change);
  if (placeLine({ ...place, members: [], count: 0 }) !== before)
    model.emit([name(place)], placeChangeLine(kind, id, ChangeKind.UPDATED, user, describe(model, place, [])));
  return whole(model, place);
}

/** Takes a place away: its members of now still see that, and nothing before. What was said is kept unread until retention takes it. */
export function dissolve(model: Reference, kind: Kind, id: string, user: string): void {
  const found = standing(model, kind, id, user);
  mustBe(found, GroupRole.OWNER);
  const { place } = found;
  const pos = model.emit([name(place)], placeChangeLine(kind, id, ChangeKind.REMOVED, user, ""));
  place.stays = model.members(name(place)).map((stay) => ({ ...stay, from: pos, to: pos + 1 }));
  place.gone = true;
  delete model.conversations[name(place)];
}

function tellMember(model: Reference, place: Place, member: Stay, actor: string): void {
  const count = model.members(name(place)).length;
  const line = memberLine({ ...member, mutedUntilMs: member.mutedUntilMs > model.nowMs ? member.mutedUntilMs : 0 });
  model.emit(
    [name(place)],
    membersChangeLine("group", place.id, ChangeKind.UPDATED, actor, [member.user], count, line),
  );
}

export function transfer(model: Reference, id: string, user: string, heirId: string): string {
  const found = standing(model, "group", id, user);
  mustBe(found, GroupRole.OWNER);
  const { place } = found;
  const heir = model.member(name(place), heirId);
  if (heir === undefined) throw new Refused("NOT_MEMBER");
  if (heirId === place.owner) return whole(model, place);
  const owner = model.member(name(place), place.owner);
  for (const [member, role] of [
    [owner, GroupRole.ADMIN],
    [heir, GroupRole.OWNER],
  ] as const) {
    if (member === undefined) continue;
    member.role = role;
    tellMember(model, place, member, user);
  }
  place.owner = heirId;
  model.emit([name(place)], placeChangeLine("group", id, ChangeKind.UPDATED, user, describe(model, place, [])));
  return whole(model, place);
}

export interface MemberChange {
  role?: GroupRole;
  alias?: string;
  mutedUntilMs?: number;
}

export function updateMember(model: Reference, id: string, user: string, target: string, change: MemberChange): string {
  const found = standing(model, "group", id, user);
  mustBeMember(found);
  const { place } = found;
  const member = model.member(name(place), target);
  if (member === undefined) throw new Refused("NOT_MEMBER");
  if (change.role !== undefined) {
    mustBe(found, GroupRole.OWNER);
    if (member.role === GroupRole.OWNER) throw new Refused("INVALID_FIELD");
  }
  if (change.mutedUntilMs !== undefined)
    mustBe(found, member.role >= GroupRole.ADMIN ? GroupRole.OWNER : GroupRole.ADMIN);
  if (change.alias !== undefined && target !== user) mustBe(found, GroupRole.ADMIN);
  const line = () =>
    memberLine({ ...member, mutedUntilMs: member.mutedUntilMs > model.nowMs ? member.mutedUntilMs : 0 });
  const before = line();
  Object.assign(member, change);
  if (line() !== before) tellMember(model, place, member, user);
  return line();
}
