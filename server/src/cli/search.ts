import { fromJson, type JsonValue, type MessageInitShape } from "@bufbuild/protobuf";
import { ValueSchema } from "@bufbuild/protobuf/wkt";
import type { SearchFilterSchema } from "@parley/proto/parley/v1/attributes_pb.js";
import { GroupService } from "@parley/proto/parley/v1/group_service_pb.js";
import { RoomService } from "@parley/proto/parley/v1/room_service_pb.js";
import { UserService } from "@parley/proto/parley/v1/user_service_pb.js";
import { Command, InvalidArgumentError } from "commander";
import type { Answer } from "./answer.js";
import { asBackend, type BackendOptions, backendCommand } from "./backend.js";
import { safe } from "./chat-text.js";
import { CommandFailure, EXIT } from "./failure.js";
import { examples } from "./options.js";
import { showProgress } from "./progress.js";

interface Options extends BackendOptions {
  sort?: string[];
  limit: number;
}

type Filter = MessageInitShape<typeof SearchFilterSchema>;
type Page = { items: Answer[]; nextPageToken: string };
interface Request {
  filters: Filter[];
  sort: string[];
  pageSize: number;
  pageToken: string;
}

/** `parley search`: finds users, groups and rooms of an app by name and attributes. */
export function searchCommand(): Command {
  const search = new Command("search").description("find users, groups and rooms by name and attributes");
  searchOf(search, "users", "display_name~tom city=Oslo --sort -level", (service) => {
    const { searchUsers } = service(UserService);
    return async (request) => {
      const { users, nextPageToken } = await searchUsers(request);
      const items = users.map(({ userId, displayName, attributes }) => ({
        user_id: userId,
        display_name: displayName,
        attributes: JSON.stringify(attributes ?? {}),
      }));
      return { items, nextPageToken };
    };
  });
  searchOf(search, "groups", "name~cats topic=food", (service) => {
    const { searchGroups } = service(GroupService);
    return async (request) => {
      const { groups, nextPageToken } = await searchGroups(request);
      const items = groups.map(({ groupId, name, memberCount, attributes }) => ({
        group_id: groupId,
        name,
        member_count: memberCount,
        attributes: JSON.stringify(attributes ?? {}),
      }));
      return { items, nextPageToken };
    };
  });
  searchOf(search, "rooms", "game=chess --sort name --limit 5", (service) => {
    const { searchRooms } = service(RoomService);
    return async (request) => {
      const { rooms, nextPageToken } = await searchRooms(request);
      const items = rooms.map(({ roomId, name, memberCount, attributes }) => ({
        room_id: roomId,
        name,
        member_count: memberCount,
        attributes: JSON.stringify(attributes ?? {}),
      }));
      return { items, nextPageToken };
    };
  });
  return search;
}

function searchOf(
  parent: Command,
  what: string,
  example: string,
  open: (service: Parameters<Parameters<typeof asBackend>[2]>[0]) => (request: Request) => Promise<Page>,
): void {
  backendCommand(parent, what, `find ${what}`)
    .argument("[filters...]", "path=value (a JSON value, or else a text), or path~part of a text; all are to be met")
    .option("--sort <path...>", "order by these paths, at most 3; a minus in front: falling")
    .option("--limit <number>", "the most to show", readLimit, 100)
    .addHelpText("after", examples(`parley search ${what} ${example}`, `parley search ${what} --json`))
    .action((filters: string[], options: Options) =>
      asBackend(options, `no ${what} found`, async (service) => {
        const request = { filters: filters.map(readFilter), sort: options.sort ?? [] };
        const found = await allPages(open(service), request, options.limit);
        return options.json === true ? found : found.map(shown);
      }),
    );
}

/** Reads pages until there is enough: one may be short, or empty, though there are more. */
async function allPages(
  read: (request: Request) => Promise<Page>,
  request: Pick<Request, "filters" | "sort">,
  limit: number,
): Promise<Answer[]> {
  const progress = showProgress("searched, found of the limit:");
  const found: Answer[] = [];
  try {
    for (let pageToken = ""; found.length < limit; ) {
      progress.signal.throwIfAborted();
      const page = await read({ ...request, pageSize: Math.min(100, limit - found.length), pageToken });
      found.push(...page.items);
      progress.onProgress(found.length / limit);
      pageToken = page.nextPageToken;
      if (pageToken === "") break;
    }
    return found;
  } finally {
    progress.end();
  }
}

/** What others wrote must not steer the terminal. */
function shown(answer: Answer): Answer {
  return Object.fromEntries(Object.entries(answer).map(([name, value]) => [name, safe(String(value))]));
}

/** A filter as it is typed. Throws a failure that says how. */
function readFilter(text: string): Filter {
  const [, path, sign, value = ""] = /^([^=~]+)([=~])(.*)$/s.exec(text) ?? [];
  if (path === undefined) throw new CommandFailure(`a filter is path=value or path~part, not ${text}`, EXIT.setting);
  if (sign === "~") return { path, condition: { case: "contains", value } };
  return { path, condition: { case: "equals", value: fromJson(ValueSchema, jsonOr(value)) } };
}

function jsonOr(text: string): JsonValue {
  try {
    const value = JSON.parse(text) as JsonValue;
    return value !== null && typeof value === "object" ? text : value;
  } catch {
    return text;
  }
}

function readLimit(text: string): number {
  const limit = Number(text);
  if (!Number.isSafeInteger(limit) || limit < 1) throw new InvalidArgumentError("It is a number from 1 on.");
  return limit;
}
