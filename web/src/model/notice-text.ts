import { ChangeKind } from "@parley/client";
import type { Chat } from "./chat.js";

type Names = Pick<Chat, "me"> & { readonly names: Pick<Chat["names"], "of"> };

interface Change {
  readonly change: ChangeKind;
  /** Empty when the app's backend did it. */
  readonly actorUserId: string;
}

function nameOf({ me, names }: Names, userId: string, you: string): string {
  return userId === me ? you : names.of(userId);
}

function actorOf(names: Names, { actorUserId }: Change): string {
  return actorUserId === "" ? "The app" : nameOf(names, actorUserId, "You");
}

/** Such as "You added Jerry", "Jerry joined", "Tom left". */
export function membersText(names: Names, change: Change & { readonly userIds: readonly string[] }): string {
  const added = change.change === ChangeKind.ADDED;
  const actor = actorOf(names, change);
  if (change.userIds.length === 1 && change.userIds[0] === change.actorUserId)
    return `${actor} ${added ? "joined" : "left"}`;
  const members = change.userIds.map((userId) => nameOf(names, userId, "you"));
  return `${actor} ${added ? "added" : "removed"} ${members.join(", ")}`;
}

/** Such as "Tom made the group". */
export function changeText(names: Names, change: Change, what: "group" | "room"): string {
  const actor = actorOf(names, change);
  if (change.change === ChangeKind.ADDED) return `${actor} made the ${what}`;
  return `${actor} ${change.change === ChangeKind.REMOVED ? "dissolved" : "changed"} the ${what}`;
}
